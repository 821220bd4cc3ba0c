import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPrisma } from '../../../src/db/client.ts'
import { withDatabase } from '../../../src/db/connection-url.ts'
import { createPool } from '../../../src/db/pool.ts'
import { requireMigrated } from '../../../src/db/require-migrated.ts'
import { findSchemaDrift } from '../../../src/db/schema-drift.ts'
import { asSuperuser, SUPERUSER_URL } from '../superuser.ts'

const ROOT = join(import.meta.dirname, '../../..')
const PRISMA_DIR = join(ROOT, 'prisma')

const name = `keyward_test_${randomBytes(6).toString('hex')}`
const url = withDatabase(SUPERUSER_URL, name)
const run = promisify(execFile)

beforeAll(() => asSuperuser([`CREATE DATABASE ${name}`]))
afterAll(() => asSuperuser([`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]))

async function migrate(): Promise<string> {
  const options = { cwd: ROOT, env: { ...process.env, DATABASE_URL: url } }
  const { stdout } = await run(process.execPath, [join(PRISMA_DIR, 'db-migrate.ts')], options)
  return stdout
}

test('the database is of the oldest version that is supported', async () => {
  const [row] = await asSuperuser(['SHOW server_version'])
  expect(
    row?.server_version,
    'Nothing else shows that PostgreSQL 15 will do: set TEST_DATABASE_URL to one (on Debian bookworm: apt-get install postgresql).',
  ).toMatch(/^15\./)
})

test('npm run db:migrate brings an external PostgreSQL up to date, and the server works there as keyward_app', async () => {
  await expect(requireMigrated(url, join(PRISMA_DIR, 'migrations'))).rejects.toMatchObject({
    code: 'MIGRATIONS_PENDING',
  })
  expect(await migrate()).toMatch(/^Applied:\n {2}\d{14}_/)
  expect(await migrate()).toBe('The database is up to date.\n')
  await requireMigrated(url, join(PRISMA_DIR, 'migrations'))

  const pool = createPool({ url, log: pino({ level: 'silent' }) })
  try {
    expect(await createPrisma(pool).tenant.count()).toBe(0)
    expect((await pool.query('SELECT current_user AS role')).rows).toEqual([{ role: 'keyward_app' }])
    await expect(pool.query('DROP TABLE audit_events')).rejects.toMatchObject({ code: '42501' })
  } finally {
    await pool.end()
  }
})

test('migrations and schema agree there too', async () => {
  const migrationsDir = join(PRISMA_DIR, 'migrations')
  expect(await findSchemaDrift({ url, migrationsDir, schemaPath: join(PRISMA_DIR, 'schema.prisma') })).toBeNull()
})
