import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createPrisma } from '../../src/db/client.ts'
import { isUnavailable } from '../../src/db/database-failures.ts'
import { createPool, type DatabasePool, type PoolOptions } from '../../src/db/pool.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'
import { startTcpProxy } from '../verify/e2e/tcp-proxy.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})

afterAll(() => database.drop())

function makePool(options: Partial<PoolOptions> = {}): DatabasePool {
  const pool = createPool({ url: database.url, log: pino({ level: 'silent' }), ...options })
  onTestFinished(() => pool.end())
  return pool
}

async function backendOf(pool: DatabasePool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid ?? 0
}

async function terminate(pid: number): Promise<void> {
  const superuser = new pg.Client({ connectionString: database.superuserUrl })
  await superuser.connect()
  await superuser.query('SELECT pg_terminate_backend($1, 5000)', [pid])
  await superuser.end()
}

function insertTenant(pool: DatabasePool, id: string, slug: string) {
  return pool.query(
    "INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at) VALUES ($1, $2, 'a', 'acme', now(), now())",
    [id, slug],
  )
}

test('a connection outlives a statement that failed', async () => {
  const pool = makePool({ connectionsMax: 1 })
  const backend = await backendOf(pool)
  const slug = randomUUID()
  await insertTenant(pool, randomUUID(), slug)
  for (let round = 0; round < 3; round++) {
    await expect(insertTenant(pool, randomUUID(), slug)).rejects.toMatchObject({ code: '23505' })
    await expect(pool.query('SELECT nothing')).rejects.toMatchObject({ code: '42703' })
  }
  const prisma = createPrisma(pool)
  const now = new Date()
  const data = { id: randomUUID(), slug, name: slug, keyPrefix: 'acme', createdAt: now, updatedAt: now }
  await expect(prisma.tenant.create({ data })).rejects.toMatchObject({ code: 'P2002' })
  expect(await backendOf(pool)).toBe(backend)
})

test('a connection that a failed statement leaves in a transaction is not handed out again', async () => {
  const pool = makePool({ connectionsMax: 1 })
  const backend = await backendOf(pool)
  const client = await pool.connect()
  await client.query('BEGIN')
  const failure: unknown = await client.query('SELECT nothing').catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: '42703' })
  client.release(failure instanceof Error ? failure : true)
  expect(await backendOf(pool)).not.toBe(backend)
})

test('a second release of a connection is an error', async () => {
  const pool = makePool()
  const client = await pool.connect()
  client.release()
  expect(() => client.release()).toThrow('already been released')
})

test('the loss of an idle connection is a warning in the log, and the next caller gets a new one', async () => {
  const warnings: string[] = []
  const pool = makePool({
    connectionsMax: 1,
    log: { warn: (_: unknown, message?: string) => void warnings.push(message ?? '') },
  })
  const removed = new Promise((resolve) => pool.once('remove', resolve))
  await terminate(await backendOf(pool))
  await removed
  expect(warnings).toEqual(['an idle connection to the database was lost'])
  expect(await backendOf(pool)).toBeGreaterThan(0)
})

test('the loss of a connection that is in use is told by the statement that fails, and ends nothing else', async () => {
  const pool = makePool({ connectionsMax: 1 })
  const client = await pool.connect()
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const lost = new Promise((resolve) => client.once('end', resolve))
  await terminate(rows[0]?.pid ?? 0)
  await lost
  await expect(client.query('SELECT 1')).rejects.toSatisfy(isUnavailable)
  client.release()
  expect(await backendOf(pool)).toBeGreaterThan(0)
})

test('an answer that never comes is given up shortly after PostgreSQL would have cancelled, with all connections of that time', async () => {
  const proxy = await startTcpProxy(database.url)
  onTestFinished(() => proxy.stop())
  const pool = makePool({ url: proxy.url, connectionsMax: 4, statementTimeoutMs: 100 })
  await Promise.all(Array.from({ length: 4 }, () => pool.query('SELECT pg_sleep(0.01)')))
  expect(pool.idleCount).toBe(4)
  proxy.stall()
  await expect(pool.query('SELECT 1')).rejects.toSatisfy(isUnavailable)
  await proxy.restore()
  // Three more are idle, and dead.
  const backends = new Set<number>()
  for (let round = 0; round < 4; round++) backends.add(await backendOf(pool))
  expect(backends.size).toBe(1)
})

test('PostgreSQL cancels a statement that takes too long', async () => {
  const pool = makePool({ statementTimeoutMs: 100 })
  await expect(pool.query('SELECT pg_sleep(30)')).rejects.toMatchObject({ code: '57014' })
})

test('PostgreSQL ends a transaction that its client has forgotten', async () => {
  const pool = makePool({ connectionsMax: 1, idleInTransactionTimeoutMs: 100 })
  const client = await pool.connect()
  const lost = new Promise((resolve) => client.once('error', resolve))
  await client.query('BEGIN')
  await expect(lost).resolves.toMatchObject({ code: '25P03' })
  client.release(true)
  expect(await backendOf(pool)).toBeGreaterThan(0)
})

test('a caller waits for a connection no longer than it may, and then it counts as unavailable', async () => {
  const pool = makePool({ connectionsMax: 1, acquireTimeoutMs: 100 })
  const client = await pool.connect()
  await expect(pool.query('SELECT 1')).rejects.toSatisfy(isUnavailable)
  client.release()
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('when as many wait as may wait, the next one is refused at once, and those who wait are served', async () => {
  const pool = makePool({ connectionsMax: 1, waitingMax: 3 })
  const client = await pool.connect()
  const waiting = [1, 2, 3].map(() => pool.query('SELECT 1 AS one'))
  await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'POOL_EXHAUSTED' })
  await expect(pool.connect()).rejects.toSatisfy(isUnavailable)
  client.release()
  for (const { rows } of await Promise.all(waiting)) expect(rows).toEqual([{ one: 1 }])
})

test('every statement that goes over the wire is seen, those of Prisma, BEGIN and COMMIT included', async () => {
  const statements: string[] = []
  const pool = makePool({ onStatement: (sql) => statements.push(sql) })
  const prisma = createPrisma(pool)
  await pool.query('SELECT 1')
  await pool.query({ text: 'SELECT $1::int', values: [2] })
  const client = await pool.connect()
  await client.query('SELECT 3')
  client.release()
  await prisma.$queryRaw`SELECT 4`
  await prisma.$transaction((tx) => tx.$executeRaw`SELECT 5`)
  expect(statements).toEqual(['SELECT 1', 'SELECT $1::int', 'SELECT 3', 'SELECT 4', 'BEGIN', 'SELECT 5', 'COMMIT'])

  const before = statements.length
  const id = randomUUID()
  await Promise.all([1, 2, 3].map(() => prisma.tenant.findUnique({ where: { id } })))
  expect(statements.length - before).toBe(1)
})

test('settings in the address are kept beside those of the pool', async () => {
  const url = new URL(database.url)
  url.searchParams.set('options', '-c work_mem=7MB')
  const pool = makePool({ url: url.href })
  expect((await pool.query('SHOW work_mem')).rows).toEqual([{ work_mem: '7MB' }])
  expect((await pool.query('SELECT current_user AS role')).rows).toEqual([{ role: 'keyward_app' }])
})

test.each(['localhost:5432', 'mysql://root@localhost/keyward', ''])(
  'the address %j is refused without being repeated',
  (url) => {
    expect(() => createPool({ url, log: pino({ level: 'silent' }) })).toThrow(/has to look like postgresql:/)
  },
)
