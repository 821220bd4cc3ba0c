import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createPrisma } from '../../src/db/client.ts'
import { DatabaseError } from '../../src/db/database-error.ts'
import { isConcurrencyFailure, isGone, isUnavailable, isUniqueViolation } from '../../src/db/database-failures.ts'
import { createPool, type DatabasePool } from '../../src/db/pool.ts'
import { createTransactionRunner } from '../../src/db/transaction.ts'
import type { PrismaClient } from '../../src/generated/prisma/client.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'

const log = pino({ level: 'silent' })
let database: TestDatabase
let pool: DatabasePool
let prisma: PrismaClient

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool({ url: database.url, log, statementTimeoutMs: 1_000 })
  prisma = createPrisma(pool)
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

/** What the call fails with; a call that succeeds fails the test. */
async function failureOf(call: Promise<unknown>): Promise<unknown> {
  const outcome = await call.then(
    () => ({ failed: false, error: undefined }),
    (error: unknown) => ({ failed: true, error }),
  )
  expect(outcome.failed).toBe(true)
  return outcome.error
}

function tenant(slug: string) {
  const now = new Date()
  return { id: randomUUID(), slug, name: slug, keyPrefix: 'acme', createdAt: now, updatedAt: now }
}

const INSERT = `INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at)
  SELECT gen_random_uuid(), slug, name, key_prefix, created_at, updated_at FROM tenants`

describe('a row that is not there any more is told as gone', () => {
  const nowhere = '00000000-0000-7000-8000-000000000000'
  const now = new Date()
  const scope = { id: nowhere, tenantId: nowhere, name: 'a:b', createdAt: now, updatedAt: now }
  test.each<[string, () => Promise<unknown>]>([
    ['by what refers to it', () => prisma.scope.create({ data: scope })],
    [
      'by what refers to it in raw SQL',
      () => pool.query("INSERT INTO memberships VALUES ($1, $1, 'OWNER', now())", [nowhere]),
    ],
    ['by a change of it', () => prisma.tenant.update({ where: { id: nowhere }, data: { name: 'a' } })],
    ['by reading it', () => prisma.tenant.findUniqueOrThrow({ where: { id: nowhere } })],
  ])('%s', async (_, call) => {
    const error = await failureOf(call())
    expect(isGone(error)).toBe(true)
    expect(isUnavailable(error) || isUniqueViolation(error) || isConcurrencyFailure(error)).toBe(false)
  })

  test('and nothing else is', async () => {
    expect(isGone(await failureOf(pool.query('SELECT 1 / 0')))).toBe(false)
  })
})

describe('a unique violation is told by the name of its constraint', () => {
  beforeAll(async () => {
    await prisma.tenant.create({ data: tenant('taken') })
  })

  test.each<[string, () => Promise<unknown>]>([
    ['from the pool', () => pool.query(INSERT)],
    ['from a Prisma create', () => prisma.tenant.create({ data: tenant('taken') })],
    ['from a Prisma createMany', () => prisma.tenant.createMany({ data: [tenant('taken')] })],
    ['from raw SQL of Prisma', () => prisma.$executeRawUnsafe(INSERT)],
    [
      'from inside a transaction',
      () => createTransactionRunner({ prisma })((tx) => tx.tenant.create({ data: tenant('taken') })),
    ],
  ])('%s', async (_, call) => {
    const error = await failureOf(call())
    expect(isUniqueViolation(error)).toBe(true)
    expect(isUniqueViolation(error, 'tenants_slug_key')).toBe(true)
    expect(isUniqueViolation(error, 'tenants_one_platform_key')).toBe(false)
    expect(isUnavailable(error)).toBe(false)
    expect(isConcurrencyFailure(error)).toBe(false)
  })

  test('a partial index is told by its name too', async () => {
    await prisma.tenant.create({ data: { ...tenant('platform'), isPlatform: true } })
    const error = await failureOf(prisma.tenant.create({ data: { ...tenant('rival'), isPlatform: true } }))
    expect(isUniqueViolation(error, 'tenants_one_platform_key')).toBe(true)
    expect(isUniqueViolation(error, 'tenants_slug_key')).toBe(false)
  })
})

describe('unavailable is', () => {
  const unreachable = 'postgresql://keyward@127.0.0.1:1/keyward?sslmode=disable'

  test.each([
    ['a port where nobody listens', unreachable],
    ['a host with several addresses, on none of which anybody listens', 'postgresql://keyward@localhost:1/keyward'],
    ['a socket that is not there', 'postgresql://keyward@localhost:5432/keyward?host=%2Fnonexistent&sslmode=disable'],
    ['a host without an address', 'postgresql://keyward@nowhere.invalid:5432/keyward?sslmode=disable'],
  ])('%s', async (_, url) => {
    const lost = createPool({ url, log, acquireTimeoutMs: 5_000 })
    onTestFinished(() => lost.end())
    const lostPrisma = createPrisma(lost)
    expect(isUnavailable(await failureOf(lost.query('SELECT 1')))).toBe(true)
    expect(isUnavailable(await failureOf(lostPrisma.tenant.count()))).toBe(true)
    expect(isUnavailable(await failureOf(createTransactionRunner({ prisma: lostPrisma })(async () => {})))).toBe(true)
  })

  test('a server that takes the connection and says nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    onTestFinished(() => void silent.close())
    await new Promise((resolve) => silent.once('listening', resolve))
    const address = silent.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const url = `postgresql://keyward@127.0.0.1:${port}/keyward?sslmode=disable`
    const lost = createPool({ url, log, acquireTimeoutMs: 200 })
    onTestFinished(() => lost.end())
    expect(isUnavailable(await failureOf(lost.query('SELECT 1')))).toBe(true)
    expect(isUnavailable(await failureOf(createPrisma(lost).tenant.count()))).toBe(true)
  })

  test.each([
    ['57P01', 'the administrator ends the connection'],
    ['57P03', 'the server starts'],
    ['53300', 'there are too many connections'],
    ['53100', 'the disk is full'],
    ['08006', 'the connection broke'],
    ['25006', 'the server became a replica'],
    ['55P03', 'a lock was not to be had'],
  ])('SQLSTATE %s: %s', async (code) => {
    const raise = `DO $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '${code}'; END $$`
    expect(isUnavailable(await failureOf(pool.query(raise)))).toBe(true)
    expect(isUnavailable(await failureOf(prisma.$executeRawUnsafe(raise)))).toBe(true)
  })

  test('a statement that ran into its timeout', async () => {
    const error = await failureOf(prisma.$queryRaw`SELECT pg_sleep(30)::text`)
    expect(isUnavailable(error)).toBe(true)
  })

  test('a pool that was closed', async () => {
    const closed = createPool({ url: database.url, log })
    await closed.end()
    expect(isUnavailable(await failureOf(closed.query('SELECT 1')))).toBe(true)
    expect(isUnavailable(await failureOf(createPrisma(closed).tenant.count()))).toBe(true)
  })

  test('a pool that is exhausted', () => {
    expect(isUnavailable(new DatabaseError('POOL_EXHAUSTED', ''))).toBe(true)
  })
})

describe('not unavailable is', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['a mistake in SQL', () => pool.query('SELEKT')],
    ['a mistake in raw SQL of Prisma', () => prisma.$queryRawUnsafe('SELEKT')],
    ['a missing privilege', () => pool.query('DROP TABLE tenants')],
    ['a record that is not there', () => prisma.tenant.findUniqueOrThrow({ where: { id: randomUUID() } })],
    ['a broken reference', () => prisma.scope.create({ data: { ...scope(), tenantId: randomUUID() } })],
    ['a serialization failure', () => pool.query("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$")],
  ])('%s', async (_, call) => {
    const error = await failureOf(call())
    expect(isUnavailable(error)).toBe(false)
    expect(isUniqueViolation(error)).toBe(false)
  })

  test.each([
    null,
    undefined,
    'timeout exceeded when trying to connect',
    new Error('no'),
    Object.assign(new Error('no file'), { code: 'ENOENT', syscall: 'open' }),
    new DatabaseError('SECOND_CONNECTION', ''),
  ])('%s', (value) => {
    expect(isUnavailable(value)).toBe(false)
    expect(isUniqueViolation(value)).toBe(false)
    expect(isConcurrencyFailure(value)).toBe(false)
  })

  test('an error that is its own cause', () => {
    const error = new Error('round')
    error.cause = error
    expect(isUnavailable(error)).toBe(false)
  })
})

describe('a concurrency failure is', () => {
  test.each(['40001', '40P01'])('SQLSTATE %s, from the pool and through Prisma', async (code) => {
    const raise = `DO $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '${code}'; END $$`
    expect(isConcurrencyFailure(await failureOf(pool.query(raise)))).toBe(true)
    expect(isConcurrencyFailure(await failureOf(prisma.$executeRawUnsafe(raise)))).toBe(true)
  })
})

function scope() {
  const now = new Date()
  return { id: randomUUID(), name: 'orders:read', createdAt: now, updatedAt: now }
}
