/**
 * `npm run db:diff` replays the migrations in a temporary PostgreSQL and compares with schema.prisma: exit code 0 when
 * they agree, 2 with the missing SQL when they do not.
 *
 * `npm run db:diff -- --create <name>` writes that SQL as the next migration, to be read before it is committed.
 */
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startEmbeddedDatabase } from '../src/db/embedded/embedded-database.ts'
import { findSchemaDrift } from '../src/db/schema-drift.ts'

const migrationsDir = join(import.meta.dirname, 'migrations')
const schemaPath = join(import.meta.dirname, 'schema.prisma')

function say(message: string): void {
  process.stderr.write(`${message}\n`)
}

async function withTemporaryPostgres<T>(work: (url: string) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), 'keyward-diff-'))
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }))
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }
  const database = await startEmbeddedDatabase({ dataDir, log, settings })
  try {
    return await work(database.superuserUrl)
  } finally {
    await database.stop()
  }
}

async function writeMigration(name: string, sql: string): Promise<string> {
  const timestamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const folder = join(migrationsDir, `${timestamp}_${name}`)
  await mkdir(folder)
  await writeFile(join(folder, 'migration.sql'), sql)
  return folder
}

const { values } = parseArgs({ options: { create: { type: 'string' } } })
if (values.create !== undefined && !/^[a-z0-9_]{1,60}$/.test(values.create)) {
  say('The name of a migration is made of a–z, 0–9 and _.')
  process.exit(1)
}
try {
  const drift = await withTemporaryPostgres((url) => findSchemaDrift({ url, migrationsDir, schemaPath }))
  if (drift === null) say('The migrations and schema.prisma agree.')
  else if (values.create !== undefined) say(`Wrote ${await writeMigration(values.create, drift)}`)
  else {
    say('schema.prisma is ahead of the migrations. Missing:')
    process.stdout.write(drift)
    process.exitCode = 2
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
