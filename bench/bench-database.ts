import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import { withDatabase } from '../src/db/connection-url.ts'
import { applyMigrations } from '../src/db/migrations.ts'
import { fillDatabase } from './fill-database.ts'
import { benchToken, VERIFIER_INDEX } from './keys.ts'
import { type BenchPostgres, withClient } from './postgres.ts'
import type { ServerStart } from './processes.ts'

/** A database of Keyward with the keys of the bench, numbered from 0. */
export interface BenchDatabase {
  readonly url: string
  readonly keyCount: number
  /** How long it took to make; null when it was there. */
  readonly madeInSeconds: number | null
}

const BENCH_DIR = import.meta.dirname
const PRISMA_DIR = join(BENCH_DIR, '../prisma')
/** What a run leaves behind and the next one must not find. */
const LEFTOVERS = [
  'usage_minutes',
  'usage_tag_minutes',
  'usage_tags',
  'usage_flushes',
  'api_key_usage',
  'quota_counts',
  'quota_flushes',
  'audit_events',
  'outbox_events',
]

export const BENCH_ADMIN = { email: 'admin@keyward.local', password: 'correct horse battery' } as const

/** Makes it, or finds the one that an earlier run made of the same keys and migrations. */
export async function prepareDatabase(postgres: BenchPostgres, keyCount: number): Promise<BenchDatabase> {
  const name = `keyward_bench_${keyCount}`
  const url = withDatabase(postgres.superuserUrl, name)
  const fingerprint = await computeFingerprint(keyCount)
  const isThere = await withClient(postgres.superuserUrl, async (client) => {
    if ((await readFingerprint(client, name)) === fingerprint) return true
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await client.query(`CREATE DATABASE ${name}`)
    return false
  })
  if (isThere) {
    await withClient(url, (client) => client.query(`TRUNCATE ${LEFTOVERS.join(', ')} CASCADE`))
    return { url, keyCount, madeInSeconds: null }
  }
  const startedAt = performance.now()
  const migrationsDir = join(PRISMA_DIR, 'migrations')
  await applyMigrations({ url, migrationsDir, schemaPath: join(PRISMA_DIR, 'schema.prisma') })
  await withClient(url, async (client) => {
    await fillDatabase(client, keyCount)
    // Last, so that a database that was not finished is made anew.
    await client.query(`COMMENT ON DATABASE ${name} IS '${fingerprint}'`)
  })
  return { url, keyCount, madeInSeconds: (performance.now() - startedAt) / 1000 }
}

async function readFingerprint(client: pg.Client, name: string): Promise<string | null> {
  const { rows } = await client.query<{ comment: string | null }>(
    "SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = $1",
    [name],
  )
  return rows[0]?.comment ?? null
}

/** Other keys or other migrations: another database. */
async function computeFingerprint(keyCount: number): Promise<string> {
  const sources = await Promise.all(['keys.ts', 'fill-database.ts'].map((file) => readFile(join(BENCH_DIR, file))))
  const migrations = await readdir(join(PRISMA_DIR, 'migrations'))
  const hash = createHash('sha256').update(`${keyCount} ${migrations.sort()}`)
  for (const source of sources) hash.update(source)
  return hash.digest('hex')
}

/** The whole product on that database. Always the same secrets, because a database that is used again is sealed with them. */
export function appServer({ url }: BenchDatabase, env: Readonly<Record<string, string>> = {}): ServerStart {
  return {
    file: 'bench/servers/app-server.ts',
    env: {
      DATABASE_URL: url,
      MASTER_KEY: Buffer.alloc(32, 'bench').toString('base64'),
      PORT: '0',
      LOG_LEVEL: 'error',
      LOG_FORMAT: 'json',
      BOOTSTRAP_ADMIN_EMAIL: BENCH_ADMIN.email,
      BOOTSTRAP_ADMIN_PASSWORD: BENCH_ADMIN.password,
      BOOTSTRAP_VERIFIER_TOKEN: benchToken(VERIFIER_INDEX),
      GRAPHQL_POINTS_PER_MINUTE: '2147483647',
      ...env,
    },
    sharesMachine: true,
  }
}
