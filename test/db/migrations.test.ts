import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { pino } from 'pino'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { findPendingMigrations } from '../../src/db/migration-state.ts'
import { applyMigrations } from '../../src/db/migrations.ts'
import { createPool } from '../../src/db/pool.ts'
import { requireSupportedVersion } from '../../src/db/postgres-version.ts'
import { requireMigrated } from '../../src/db/require-migrated.ts'
import { findSchemaDrift } from '../../src/db/schema-drift.ts'
import { createTestDatabase, type TestDatabase, type TestDatabaseOptions } from '../harness/database.ts'

const PRISMA_DIR = join(import.meta.dirname, '../../prisma')
const PROJECT = { migrationsDir: join(PRISMA_DIR, 'migrations'), schemaPath: join(PRISMA_DIR, 'schema.prisma') }

async function makeDatabase(options: TestDatabaseOptions): Promise<TestDatabase> {
  const database = await createTestDatabase(options)
  onTestFinished(() => database.drop())
  return database
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end().catch(() => {}))
  return client
}

/** A folder of migrations, by name, and an empty database. */
async function makeMigrations(migrations: Readonly<Record<string, string>>) {
  const migrationsDir = await mkdtemp(join(inject('runFolder'), 'migrations-'))
  onTestFinished(() => rm(migrationsDir, { recursive: true, force: true }))
  const write = async (name: string, sql: string) => {
    await mkdir(join(migrationsDir, name), { recursive: true })
    await writeFile(join(migrationsDir, name, 'migration.sql'), sql)
  }
  for (const [name, sql] of Object.entries(migrations)) await write(name, sql)
  const database = await makeDatabase({ migrated: false })
  const owner = await connect(database.ownerUrl)
  const apply = () => applyMigrations({ url: database.ownerUrl, migrationsDir, schemaPath: PROJECT.schemaPath })
  return { database, owner, apply, write, migrationsDir }
}

async function tablesOf(client: pg.Client): Promise<readonly string[]> {
  const sql =
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY 1"
  const { rows } = await client.query<{ tablename: string }>(sql)
  return rows.map(({ tablename }) => tablename)
}

test("the project's migrations apply to an empty database once, and the server sees that none is pending", async () => {
  const database = await makeDatabase({ migrated: false })
  const pool = createPool({ url: database.url, log: pino({ level: 'silent' }) })
  onTestFinished(() => pool.end())
  const names = (await readdir(PROJECT.migrationsDir)).filter((name) => /^\d/.test(name)).sort()
  expect(names.length).toBeGreaterThan(0)
  expect(await findPendingMigrations(pool, PROJECT.migrationsDir)).toEqual({ pending: names, unknown: [] })
  await expect(requireMigrated(database.url, PROJECT.migrationsDir)).rejects.toMatchObject({
    code: 'MIGRATIONS_PENDING',
  })

  expect(await applyMigrations({ url: database.ownerUrl, ...PROJECT })).toEqual(names)
  expect(await applyMigrations({ url: database.ownerUrl, ...PROJECT })).toEqual([])
  expect(await findPendingMigrations(pool, PROJECT.migrationsDir)).toEqual({ pending: [], unknown: [] })
  await requireMigrated(database.url, PROJECT.migrationsDir)
})

test("the project's migrations and schema agree", async () => {
  const database = await makeDatabase({ migrated: false })
  expect(await findSchemaDrift({ url: database.superuserUrl, ...PROJECT })).toBeNull()
  expect(await tablesOf(await connect(database.ownerUrl))).toEqual([])
})

test('a change of the schema without a migration is told as the SQL that is missing', async () => {
  const database = await makeDatabase({ migrated: false })
  const { migrationsDir } = await makeMigrations({})
  const schemaPath = join(migrationsDir, 'schema.prisma')
  const schema = await readFile(PROJECT.schemaPath, 'utf8')
  await writeFile(schemaPath, `${schema}\nmodel Extra {\n  id Int @id\n}\n`)
  const drift = await findSchemaDrift({ url: database.superuserUrl, migrationsDir: PROJECT.migrationsDir, schemaPath })
  expect(drift).toContain('CREATE TABLE "Extra"')
  const { rows } = await (await connect(database.superuserUrl)).query(
    "SELECT FROM pg_database WHERE datname LIKE '%shadow%'",
  )
  expect(rows).toEqual([])
})

test('a migration can hold functions, whose bodies hold semicolons', async () => {
  const { owner, apply } = await makeMigrations({
    '1_function': `
      CREATE FUNCTION answer() RETURNS int LANGUAGE plpgsql AS $body$
      DECLARE half int := 21; -- a comment; with a semicolon
      BEGIN
        PERFORM ';';
        RETURN half * 2;
      END
      $body$;
      DO $$ BEGIN PERFORM answer(); END $$;`,
  })
  expect(await apply()).toEqual(['1_function'])
  expect((await owner.query('SELECT answer()')).rows).toEqual([{ answer: 42 }])
})

test('a value that one migration adds to an enum can be used by the next one', async () => {
  const { apply } = await makeMigrations({
    '1_enum': "CREATE TYPE color AS ENUM ('red')",
    '2_value': "ALTER TYPE color ADD VALUE 'blue'",
    '3_use': "CREATE TABLE paint (color color NOT NULL DEFAULT 'blue')",
  })
  expect(await apply()).toEqual(['1_enum', '2_value', '3_use'])
})

test('a migration that fails leaves nothing, those before it stay, and its corrected text applies', async () => {
  const { owner, apply, write } = await makeMigrations({
    '1_good': 'CREATE TABLE good (id int)',
    '2_bad': 'CREATE TABLE half (id int); INSERT INTO half VALUES (1); SELECT nonsense;',
    '3_later': 'CREATE TABLE later (id int)',
  })
  await expect(apply()).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringMatching(/2_bad failed and was rolled back: .*column "nonsense" does not exist/s),
  })
  expect(await tablesOf(owner)).toEqual(['good'])
  await write('2_bad', 'CREATE TABLE half (id int)')
  expect(await apply()).toEqual(['2_bad', '3_later'])
  expect(await tablesOf(owner)).toEqual(['good', 'half', 'later'])
})

test('a migration that was cut off half way leaves nothing, and the next start applies it', async () => {
  const { database, owner, apply } = await makeMigrations({
    '1_slow': 'CREATE TABLE half (id int); SELECT pg_advisory_xact_lock(4711);',
  })
  await owner.query('SELECT pg_advisory_lock(4711)')
  const cutOff = expect(apply()).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
  const superuser = await connect(database.superuserUrl)
  const waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
  let blocked = await superuser.query<{ pid: number }>(waiting)
  while (blocked.rowCount === 0) {
    await sleep(20)
    blocked = await superuser.query(waiting)
  }
  await superuser.query('SELECT pg_terminate_backend($1, 5000)', [blocked.rows[0]?.pid])
  await cutOff
  await owner.query('SELECT pg_advisory_unlock(4711)')
  expect(await tablesOf(owner)).toEqual([])
  expect(await apply()).toEqual(['1_slow'])
})

test('of two that migrate at once one applies and the other finds nothing to do', async () => {
  const { apply } = await makeMigrations({
    '1_first': 'CREATE TABLE first (id int); SELECT pg_sleep(0.2);',
    '2_second': 'CREATE TABLE second (id int)',
  })
  const applied = await Promise.all([apply(), apply(), apply()])
  expect(applied.map((names) => names.length).sort()).toEqual([0, 0, 2])
})

describe('what the history of the database can say', () => {
  test('a migration whose text was changed after it was applied', async () => {
    const { apply, write, owner, migrationsDir } = await makeMigrations({ '1_first': 'CREATE TABLE first (id int)' })
    await apply()
    await write('1_first', 'CREATE TABLE first (id bigint)')
    const edited = { code: 'MIGRATION_EDITED', message: expect.stringContaining('1_first') }
    await expect(findPendingMigrations(owner, migrationsDir)).rejects.toMatchObject(edited)
    await expect(apply()).rejects.toMatchObject(edited)
  })

  test("a migration that stopped half way under Prisma's command line, and that it was put in order", async () => {
    const { apply, write, owner, migrationsDir } = await makeMigrations({ '1_first': 'CREATE TABLE first (id int)' })
    await apply()
    await write('2_second', 'CREATE TABLE second (id int)')
    await owner.query("INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '2_second')")
    const failed = {
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('prisma migrate resolve --rolled-back 2_second'),
    }
    await expect(findPendingMigrations(owner, migrationsDir)).rejects.toMatchObject(failed)
    await expect(apply()).rejects.toMatchObject(failed)
    await owner.query("UPDATE _prisma_migrations SET rolled_back_at = now() WHERE id = 'x'")
    expect(await apply()).toEqual(['2_second'])
  })

  test('migrations of a newer version', async () => {
    const { apply, owner, migrationsDir } = await makeMigrations({ '1_first': 'SELECT 1', '9_newer': 'SELECT 1' })
    await apply()
    await rm(join(migrationsDir, '9_newer'), { recursive: true })
    expect(await findPendingMigrations(owner, migrationsDir)).toEqual({ pending: [], unknown: ['9_newer'] })
    expect(await apply()).toEqual([])
  })
})

test('a login that may not work as keyward_app is told how to be allowed to', async () => {
  const database = await makeDatabase({ migrated: true })
  const superuser = await connect(database.superuserUrl)
  const login = `stranger_${database.name}`
  await superuser.query(`CREATE ROLE ${login} LOGIN`)
  await superuser.query(`GRANT CONNECT ON DATABASE ${database.name} TO ${login}`)
  const url = new URL(database.url)
  url.username = login
  await expect(requireMigrated(url.href, PROJECT.migrationsDir)).rejects.toMatchObject({
    code: 'ROLE_REFUSED',
    message: expect.stringContaining('GRANT keyward_app TO'),
  })
  await superuser.query(`DROP OWNED BY ${login}; DROP ROLE ${login}`)
})

test('a folder of migrations that is not there is said to be unreadable', async () => {
  const { owner } = await makeMigrations({})
  await expect(findPendingMigrations(owner, '/nonexistent')).rejects.toMatchObject({ code: 'MIGRATIONS_UNREADABLE' })
})

test('PostgreSQL older than 15 is refused in a sentence', () => {
  expect(() => requireSupportedVersion(140_012)).toThrow('The database is PostgreSQL 14; Keyward needs 15 or newer.')
  requireSupportedVersion(150_000)
  requireSupportedVersion(180_004)
})
