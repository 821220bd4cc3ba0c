import pg from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPool, type DatabasePool } from '../../src/db/pool.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'

const log = pino({ level: 'silent' })
let database: TestDatabase
let pool: DatabasePool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool({ url: database.url, log })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

test('the server works as a role that is neither a superuser nor the owner of anything', async () => {
  const { rows } = await pool.query(`
    SELECT current_user AS role, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication,
           (SELECT count(*)::int FROM pg_class WHERE relowner = pg_roles.oid) AS owned
      FROM pg_roles WHERE rolname = current_user`)
  expect(rows).toEqual([
    {
      role: 'keyward_app',
      rolsuper: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolbypassrls: false,
      rolreplication: false,
      owned: 0,
    },
  ])
})

test('the login behind the role has no more power than the role', async () => {
  await pool.query('SELECT 1')
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    const { rows } = await client.query(`
      SELECT session_user AS login, rolsuper, pg_has_role('keyward_owner', 'MEMBER') AS is_owner
        FROM pg_roles WHERE rolname = session_user`)
    expect(rows).toEqual([{ login: 'keyward_server', rolsuper: false, is_owner: false }])
  } finally {
    await client.end()
  }
})

test.each([
  ['drop a table', 'DROP TABLE audit_events'],
  ['switch a trigger off', 'ALTER TABLE audit_events DISABLE TRIGGER ALL'],
  ['empty a table', 'TRUNCATE audit_events'],
  ['make a table', 'CREATE TABLE loot (id int)'],
  ['become the owner', 'SET ROLE keyward_owner'],
  ['become the superuser', 'SET SESSION AUTHORIZATION postgres'],
  ['read the password hashes of PostgreSQL', 'SELECT * FROM pg_authid'],
  ['run a program', "COPY (SELECT 1) TO PROGRAM 'true'"],
  ['read a file', "SELECT pg_read_file('postgresql.conf')"],
  ['forge the history of migrations', 'DELETE FROM _prisma_migrations'],
])('the server cannot %s', async (_, sql) => {
  await expect(pool.query(sql)).rejects.toMatchObject({ code: '42501' })
})

test('a superuser in DATABASE_URL is not used with its full power', async () => {
  const superuserPool = createPool({ url: database.superuserUrl, log })
  try {
    const { rows } = await superuserPool.query('SELECT current_user AS role')
    expect(rows).toEqual([{ role: 'keyward_app' }])
    await superuserPool.query('RESET ROLE')
    await expect(superuserPool.query('DROP TABLE audit_events')).rejects.toMatchObject({ code: '42501' })
  } finally {
    await superuserPool.end()
  }
})

test('sessions are in UTC, as the adapter of Prisma assumes, whatever the server is set to', async () => {
  const owner = new pg.Client({ connectionString: database.superuserUrl })
  await owner.connect()
  await owner.query(`ALTER DATABASE ${database.name} SET timezone TO 'Asia/Tokyo'`)
  await owner.end()
  const fresh = createPool({ url: database.url, log })
  try {
    expect((await fresh.query('SHOW timezone')).rows).toEqual([{ TimeZone: 'UTC' }])
  } finally {
    await fresh.end()
  }
})
