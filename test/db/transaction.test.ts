import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPrisma } from '../../src/db/client.ts'
import { isUnavailable } from '../../src/db/database-failures.ts'
import { OutdatedError } from '../../src/db/outdated-error.ts'
import { createPool, type DatabasePool } from '../../src/db/pool.ts'
import { createTransactionRunner, type RunInTransaction } from '../../src/db/transaction.ts'
import type { Prisma, PrismaClient } from '../../src/generated/prisma/client.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'

const log = pino({ level: 'silent' })
const statements: string[] = []
let database: TestDatabase
let pool: DatabasePool
let prisma: PrismaClient
let runInTransaction: RunInTransaction

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool({ url: database.url, log, connectionsMax: 4, onStatement: (sql) => statements.push(sql) })
  prisma = createPrisma(pool)
  runInTransaction = createTransactionRunner({ prisma })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

function newTenant(slug: string = randomUUID()): Prisma.TenantCreateInput {
  const now = new Date()
  return { id: randomUUID(), slug, name: slug, keyPrefix: 'acme', createdAt: now, updatedAt: now }
}

function countTenants(slug: string): Promise<number> {
  return prisma.tenant.count({ where: { slug } })
}

/** A point that two runs of a test's work pass together. */
function createGate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

test('what the work did is there after it, in one BEGIN and one COMMIT', async () => {
  statements.length = 0
  const { slug } = await runInTransaction((tx) => tx.tenant.create({ data: newTenant() }))
  expect(statements.filter((sql) => /^(?:BEGIN|COMMIT|ROLLBACK)/.test(sql))).toEqual(['BEGIN', 'COMMIT'])
  expect(await countTenants(slug)).toBe(1)
})

test('whatever the work throws reaches the caller as it is, and nothing of the work is left', async () => {
  const slug = randomUUID()
  const failure = new Error('no')
  const work = runInTransaction(async (tx) => {
    await tx.tenant.create({ data: newTenant(slug) })
    throw failure
  })
  await expect(work).rejects.toBe(failure)
  expect(await countTenants(slug)).toBe(0)
})

test('work that takes too long is rolled back and counts as unavailable', async () => {
  const slug = randomUUID()
  const work = runInTransaction(
    async (tx) => {
      await tx.tenant.create({ data: newTenant(slug) })
      await tx.$queryRaw`SELECT pg_sleep(0.5)::text`
      await tx.tenant.count()
    },
    { timeoutMs: 100 },
  )
  await expect(work).rejects.toSatisfy(isUnavailable)
  expect(await countTenants(slug)).toBe(0)
})

test('the isolation is what was asked for', async () => {
  const level = (tx: Prisma.TransactionClient) => tx.$queryRaw`SHOW transaction_isolation`
  expect(await runInTransaction(level)).toEqual([{ transaction_isolation: 'read committed' }])
  expect(await runInTransaction(level, { isolation: 'Serializable' })).toEqual([
    { transaction_isolation: 'serializable' },
  ])
})

describe('inside a transaction a second connection is refused', () => {
  const id = randomUUID()
  test.each<[string, () => Promise<unknown>]>([
    ['a query of the Prisma client', () => prisma.tenant.count()],
    ['a findUnique, which Prisma batches', () => prisma.tenant.findUnique({ where: { id } })],
    [
      'many findUnique in one tick',
      () => Promise.all([1, 2, 3].map(() => prisma.tenant.findUnique({ where: { id } }))),
    ],
    ['a raw query of the Prisma client', () => prisma.$queryRaw`SELECT 1`],
    ['a raw statement of the Prisma client', () => prisma.$executeRaw`SELECT 1`],
    ['a batch of the Prisma client', () => prisma.$transaction([prisma.tenant.count()])],
    ['a transaction of the Prisma client', () => prisma.$transaction(async () => {})],
    [
      'a nested write of the Prisma client',
      () => prisma.tenant.create({ data: { ...newTenant(), scopes: { create: [] } } }),
    ],
    ['a query of the pool', () => pool.query('SELECT 1')],
    ['a connection of the pool', () => pool.connect()],
    [
      'a connection of the pool by callback',
      () => new Promise((resolve, reject) => pool.connect((error) => (error ? reject(error) : resolve(null)))),
    ],
    [
      'work of a later tick',
      async () => {
        await new Promise((resolve) => setImmediate(resolve))
        await pool.query('SELECT 1')
      },
    ],
  ])('%s', async (_, attempt) => {
    const refusal = { name: 'DatabaseError', code: 'SECOND_CONNECTION' }
    const slug = randomUUID()
    await runInTransaction(async (tx) => {
      await expect(attempt()).rejects.toMatchObject(refusal)
      await tx.tenant.create({ data: newTenant(slug) })
      await expect(attempt()).rejects.toMatchObject(refusal)
    })
    expect(await countTenants(slug)).toBe(1)
  })

  test('a transaction in a transaction is refused by its own name', async () => {
    await runInTransaction(async () => {
      await expect(runInTransaction(async () => {})).rejects.toMatchObject({ code: 'NESTED_TRANSACTION' })
    })
  })
})

test("the transaction's own client may do everything, batched findUnique included", async () => {
  const found = await runInTransaction(async (tx) => {
    const tenants = await Promise.all([1, 2, 3].map(() => tx.tenant.create({ data: newTenant() })))
    const byId = await Promise.all(tenants.map(({ id }) => tx.tenant.findUnique({ where: { id } })))
    await tx.$executeRaw`SELECT 1`
    return [await tx.$queryRaw`SELECT 1 AS one`, byId.map((tenant) => tenant?.id), tenants.map(({ id }) => id)]
  })
  expect(found[0]).toEqual([{ one: 1 }])
  expect(found[1]).toEqual(found[2])
})

test('work that was started inside is free again after the transaction has ended', async () => {
  const gate = createGate()
  const later = await runInTransaction(async () => ({ done: gate.opened.then(() => prisma.tenant.count()) }))
  gate.open()
  expect(await later.done).toBeGreaterThanOrEqual(0)
})

test('after a failed transaction the caller is free again', async () => {
  await runInTransaction(() => Promise.reject(new Error('no'))).catch(() => {})
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('calls outside are never mistaken for calls inside, though Prisma sends the lookups of one tick together', async () => {
  const { id } = await prisma.tenant.create({ data: newTenant() })
  const lookUp = (client: Pick<PrismaClient, 'tenant'> | Prisma.TransactionClient) =>
    client.tenant.findUnique({ where: { id }, select: { id: true } })
  const gate = createGate()
  const outside = gate.opened.then(() => lookUp(prisma))
  const inside = runInTransaction(async (tx) => {
    const first = lookUp(tx).then((found) => found)
    // The lookup outside joins the tick that the one inside has begun.
    gate.open()
    return first
  })
  expect(await Promise.all([inside, outside])).toEqual([{ id }, { id }])

  const many = [1, 2, 3].map(() =>
    runInTransaction(async (tx) => {
      for (let round = 0; round < 50; round++) expect(await lookUp(tx)).toEqual({ id })
    }),
  )
  for (let round = 0; round < 200; round++) expect(await lookUp(prisma)).toEqual({ id })
  await Promise.all(many)
})

test('more transactions than connections take turns', async () => {
  const slugs = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const tenant = await runInTransaction((tx) => tx.tenant.create({ data: newTenant() }))
      return tenant.slug
    }),
  )
  expect(await prisma.tenant.count({ where: { slug: { in: slugs } } })).toBe(40)
  expect(pool.totalCount).toBeLessThanOrEqual(4)
})

describe('the database undid the transaction because of another one', () => {
  test('a write skew under Serializable is tried again, and both succeed one after the other', async () => {
    const slug = randomUUID()
    const bothHaveRead = createGate()
    let readers = 0
    const attempts: string[] = []
    const addIfNone = (suffix: string) =>
      runInTransaction(
        async (tx) => {
          attempts.push(suffix)
          const found = await tx.tenant.count({ where: { name: slug } })
          readers += 1
          if (readers === 2) bothHaveRead.open()
          await bothHaveRead.opened
          if (found === 0) await tx.tenant.create({ data: { ...newTenant(), name: slug } })
          return found
        },
        { isolation: 'Serializable' },
      )
    const found = await Promise.all([addIfNone('a'), addIfNone('b')])
    expect(found.sort()).toEqual([0, 1])
    expect(attempts.length).toBe(3)
    expect(await prisma.tenant.count({ where: { name: slug } })).toBe(1)
  })

  test('a deadlock is tried again', async () => {
    const [first, second] = await Promise.all([1, 2].map(() => prisma.tenant.create({ data: newTenant() })))
    const bothHaveLocked = createGate()
    let locked = 0
    let attempts = 0
    const renameBoth = (ids: readonly (string | undefined)[]) =>
      runInTransaction(async (tx) => {
        attempts += 1
        for (const id of ids) {
          await tx.$executeRaw`UPDATE tenants SET name = name || '!' WHERE id = ${id}::uuid`
          locked += 1
          if (locked === 2) bothHaveLocked.open()
          await bothHaveLocked.opened
        }
      })
    await Promise.all([renameBoth([first?.id, second?.id]), renameBoth([second?.id, first?.id])])
    expect(attempts).toBe(3)
    const renamed = await prisma.tenant.findUniqueOrThrow({ where: { id: first?.id ?? '' } })
    expect(renamed.name).toBe(`${first?.name}!!`)
  })

  test('a conflict that never ends reaches the caller after five attempts', async () => {
    let attempts = 0
    const work = runInTransaction(async (tx) => {
      attempts += 1
      await tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$`
    })
    await expect(work).rejects.toThrow()
    expect(attempts).toBe(5)
  })
})

test('work that says that it decided on what is outdated is done anew, five times at most', async () => {
  const failure = new Error('taken')
  const slug = randomUUID()
  const tryUntil = async (good: number) => {
    let attempts = 0
    const run = runInTransaction(async (tx) => {
      attempts += 1
      await tx.tenant.create({ data: newTenant(slug) })
      if (attempts < good) throw new OutdatedError(failure)
    })
    await expect(run)[good > 5 ? 'rejects' : 'resolves'].toBe(good > 5 ? failure : undefined)
    return attempts
  }
  expect(await tryUntil(6)).toBe(5)
  expect(await countTenants(slug)).toBe(0)
  expect(await tryUntil(3)).toBe(3)
  expect(await countTenants(slug)).toBe(1)
})

test('a transaction that gets no connection in time fails as unavailable, and leaves no connection taken', async () => {
  const small = createPool({ url: database.url, log, connectionsMax: 1, acquireTimeoutMs: 200 })
  const run = createTransactionRunner({ prisma: createPrisma(small) })
  try {
    const taken = await small.connect()
    await expect(run(async () => {})).rejects.toSatisfy(isUnavailable)
    taken.release()
    expect(await run(async (tx) => tx.$queryRaw`SELECT 1 AS one`)).toEqual([{ one: 1 }])
    expect([small.totalCount, small.idleCount, small.waitingCount]).toEqual([1, 1, 0])
  } finally {
    await small.end()
  }
})

test('a connection that dies inside a transaction fails it as unavailable, and the next one works', async () => {
  const superuser = new pg.Client({ connectionString: database.superuserUrl })
  await superuser.connect()
  const work = runInTransaction(async (tx) => {
    const [row] = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
    await superuser.query('SELECT pg_terminate_backend($1, 5000)', [row?.pid])
    await tx.tenant.count()
  })
  await expect(work).rejects.toSatisfy(isUnavailable)
  await superuser.end()
  expect(await runInTransaction(async (tx) => tx.$queryRaw`SELECT 1 AS one`)).toEqual([{ one: 1 }])
})
