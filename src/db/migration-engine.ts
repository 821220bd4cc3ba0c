import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg'
import type pg from 'pg'
import type { Migration } from './migration-folder.ts'

/** Prisma's own schema engine, compiled to WebAssembly. Its interface is internal: the package is pinned exactly. */
export type MigrationEngine = bindings.SchemaEngine

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
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': { ...bindings } })
  bindings.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start
  if (typeof start === 'function') start()
}

/** Starts an engine on the pool's database. */
export async function createMigrationEngine(pool: pg.Pool, schemaPath: string): Promise<MigrationEngine> {
  await loadBindings()
  const schema = await readFile(schemaPath, 'utf8')
  const adapter = bindMigrationAwareSqlAdapterFactory(new WholeScripts(pool))
  return bindings.SchemaEngine.new({ datamodels: [[schemaPath, schema]] }, () => {}, adapter)
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

/** The adapter cuts a script at every semicolon, also inside the body of a function. PostgreSQL takes a script whole. */
class WholeScripts extends PrismaPg {
  override async connect() {
    return sendWhole(await super.connect())
  }

  override async connectToShadowDb() {
    return sendWhole(await super.connectToShadowDb())
  }
}

function sendWhole<A extends Awaited<ReturnType<PrismaPg['connect']>>>(adapter: A): A {
  adapter.executeScript = async (script) => void (await adapter.underlyingDriver().query(script))
  return adapter
}
