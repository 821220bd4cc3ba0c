import { join } from 'node:path'
import { pino } from 'pino'
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../../src/db/embedded/embedded-database.ts'
import { applyMigrations } from '../../src/db/migrations.ts'

const PRISMA_DIR = join(import.meta.dirname, '../../prisma')

/** What a crash would lose does not matter here. */
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  autovacuum: 'off',
  max_connections: '300',
  max_wal_size: '256MB',
}

export interface TestServer {
  readonly superuserUrl: string
  stop(): Promise<void>
}

/** Starts the PostgreSQL of one run of the tests, with the migrated database `keyward` to copy. */
export async function startTestServer(dataDir: string): Promise<TestServer> {
  const database = await startEmbeddedDatabase({ dataDir, log: pino({ level: 'silent' }), settings: SETTINGS })
  await migrate(database)
  return { superuserUrl: database.superuserUrl, stop: () => database.stop() }
}

async function migrate({ ownerUrl }: EmbeddedDatabase): Promise<void> {
  const migrationsDir = join(PRISMA_DIR, 'migrations')
  await applyMigrations({ url: ownerUrl, migrationsDir, schemaPath: join(PRISMA_DIR, 'schema.prisma') })
}
