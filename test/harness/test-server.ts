import { readdirSync, rmSync } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../../src/db/embedded/embedded-database.ts'
import { isProcessAlive } from '../../src/db/embedded/process-alive.ts'
import { applyMigrations } from '../../src/db/migrations.ts'

const PRISMA_DIR = join(import.meta.dirname, '../../prisma')

/** A run of all tests writes a few hundred MB. */
const MEMORY_DISK_BYTES_MIN = 2 * 1024 ** 3

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
export async function startTestServer(): Promise<TestServer> {
  const dataDir = await makeDataDir()
  const removeAtExit = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 })
  process.on('exit', removeAtExit)
  const database = await startEmbeddedDatabase({ dataDir, log: pino({ level: 'silent' }), settings: SETTINGS })
  await migrate(database)
  return {
    superuserUrl: database.superuserUrl,
    stop: async () => {
      await database.stop()
      await rm(dataDir, { recursive: true, force: true })
      process.off('exit', removeAtExit)
    },
  }
}

async function migrate({ ownerUrl }: EmbeddedDatabase): Promise<void> {
  const migrationsDir = join(PRISMA_DIR, 'migrations')
  await applyMigrations({ url: ownerUrl, migrationsDir, schemaPath: join(PRISMA_DIR, 'schema.prisma') })
}

async function makeDataDir(): Promise<string> {
  const base = await findFastestFolder()
  for (const folder of new Set([base, tmpdir()])) removeLeftovers(folder)
  return mkdtemp(join(base, `keyward-test-${process.pid}-`))
}

/** Memory, when there is enough of it. */
export async function findFastestFolder(): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => null)
  return memory && memory.bavail * memory.bsize >= MEMORY_DISK_BYTES_MIN ? '/dev/shm' : tmpdir()
}

/** What a run left that was killed. */
function removeLeftovers(base: string): void {
  for (const name of readdirSync(base)) {
    const pid = /^keyward-test-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isProcessAlive(Number(pid))) rmSync(join(base, name), { recursive: true, force: true })
  }
}
