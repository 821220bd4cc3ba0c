import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg'
import type pg from 'pg'
import { MigrationAdapter } from './migration-adapter.ts'
import type { Migration } from './migration-folder.ts'

export interface MigrationEngine {
  /** Prisma's own, compiled to WebAssembly. Its interface is internal: the package is pinned exactly. */
  readonly schemaEngine: bindings.SchemaEngine
  readonly adapter: MigrationAdapter
}

export const SCHEMA_FILTER = { externalTables: [], externalEnums: [] }

/** The part of the global that is used here; Node's types leave it to the browser's. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Readonly<Record<string, object>>,
  ): Promise<{ instance: { exports: Readonly<Record<string, unknown>> } }>
}

let loaded: Promise<void> | null = null

/**
 * Loads the engine once: 20 ms that a start without pending migrations does not spend. Node could import the package
 * as it is, but says on stderr that doing so is experimental.
 */
function loadBindings(): Promise<void> {
  loaded ??= instantiate()
  return loaded
}

async function instantiate(): Promise<void> {
  const main = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm')
  const bytes = await readFile(main.replace('schema_engine.js', 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, {
    './schema_engine_bg.js': { ...bindings, ...quietTimers() },
  })
  bindings.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start
  if (typeof start === 'function') start()
}

/** The engine leaves the timer of its 10 s lock timeout behind, and the process would have to wait for it. */
function quietTimers(): Record<string, unknown> {
  const names = Object.keys(bindings).filter((name) => name.startsWith('__wbg_setTimeout_'))
  return Object.fromEntries(names.map((name) => [name, (work: () => void, ms: number) => setTimeout(work, ms).unref()]))
}

export interface MigrationEngineRequest {
  /** Connected to the database to work on. */
  readonly pool: pg.Pool
  /** The address of the same database; shadow databases are made beside it. */
  readonly url: string
  readonly schemaPath: string
}

/** Starts an engine on one database. */
export async function createMigrationEngine({
  pool,
  url,
  schemaPath,
}: MigrationEngineRequest): Promise<MigrationEngine> {
  await loadBindings()
  const schema = await readFile(schemaPath, 'utf8')
  const adapter = new MigrationAdapter(pool, url)
  const options = { datamodels: [[schemaPath, schema]] satisfies [string, string][] }
  const factory = bindMigrationAwareSqlAdapterFactory(adapter)
  return { schemaEngine: await bindings.SchemaEngine.new(options, () => {}, factory), adapter }
}

/** The folder, as the engine wants to be told. */
export function formatMigrationsList(migrationsDir: string, migrations: readonly Migration[]) {
  return {
    baseDir: migrationsDir,
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: sql } },
    })),
  }
}
