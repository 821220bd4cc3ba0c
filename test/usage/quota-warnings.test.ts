import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabasePool } from '../../src/db/pool.ts'
import { EVENT_TYPES, type EventType } from '../../src/events/event-types.ts'
import { formatPublicId } from '../../src/public-id.ts'
import { createQuotaStore } from '../../src/usage/quota-store.ts'
import type { QuotaDelta } from '../../src/verify/limits/quota-ledger.ts'
import { createStoreDatabase, type StoreDatabase } from '../harness/store-database.ts'
import { type Query, seedKey, seedTenant } from '../verify/e2e/seeding.ts'

let database: StoreDatabase
let owner: pg.Pool
let pool: DatabasePool
let query: Query
let tenantId: string

beforeAll(async () => {
  database = await createStoreDatabase()
  owner = database.owner
  pool = database.openPool()
  query = async (sql, values) => (await owner.query(sql, values)).rows
  tenantId = await seedTenant(query)
})
afterAll(() => database.drop())

/** One server that flushes what a test says of one subject. */
function startNode(subjectId: string, common: Partial<QuotaDelta> = {}) {
  const store = createQuotaStore(pool, randomUUID())
  let sequence = 0
  const toRow = (row: Partial<QuotaDelta>): QuotaDelta => ({
    scope: 'key',
    subjectId,
    unit: 'day',
    periodId: '2026-03-04',
    delta: 0,
    limit: 10,
    warningPercent: 80,
    isRefused: false,
    ...common,
    ...row,
  })
  return {
    flush: (...rows: readonly Partial<QuotaDelta>[]) => store.write({ sequence: ++sequence, rows: rows.map(toRow) }),
    flushAgain: (...rows: readonly Partial<QuotaDelta>[]) => store.write({ sequence, rows: rows.map(toRow) }),
  }
}

interface Told {
  readonly type: EventType
  readonly payload: Record<string, unknown>
  readonly tenant_id: string
}

async function eventsOf(payload: Record<string, unknown>): Promise<readonly Told[]> {
  const events = await query<Told>(
    'SELECT type, payload, tenant_id FROM outbox_events WHERE payload @> $1 ORDER BY position',
    [payload],
  )
  for (const { type, payload } of events) EVENT_TYPES[type].data.strict().parse(payload)
  return events
}

/** `warning 8/10` for each event about a key, in their order. */
async function toldOf(keyId: string): Promise<string[]> {
  const events = await eventsOf({ apiKeyId: formatPublicId('ApiKey', keyId) })
  return events.map(({ type, payload }) => `${type.replace('quota.', '')} ${payload.used}/${payload.limit}`)
}

async function seedNode(common: Partial<QuotaDelta> = {}) {
  const { keyId } = await seedKey(query, tenantId)
  return { keyId, ...startNode(keyId, common), told: () => toldOf(keyId) }
}

test('a quota is warned of when the percentage is used, and told to be reached at its limit, once each', async () => {
  const { flush, told } = await seedNode()
  await flush({ delta: 7 })
  expect(await told()).toEqual([])
  await flush({ delta: 1 })
  expect(await told()).toEqual(['warning 8/10'])
  await flush({ delta: 1 })
  expect(await told()).toEqual(['warning 8/10'])
  await flush({ delta: 1 })
  for (let i = 0; i < 3; i++) await flush({ delta: 0, isRefused: true })
  expect(await told()).toEqual(['warning 8/10', 'reached 10/10'])
})

test('the event says whose quota it is, of which period, and how much of it is used', async () => {
  const { keyId, flush } = await seedNode()
  await flush({ delta: 9 }, { unit: 'month', periodId: '2026-03', delta: 9, limit: 9, warningPercent: 0 })
  const data = { tenantId: formatPublicId('Tenant', tenantId), apiKeyId: formatPublicId('ApiKey', keyId), used: 9 }
  expect(await eventsOf({ apiKeyId: data.apiKeyId })).toEqual([
    {
      type: 'quota.warning',
      tenant_id: tenantId,
      payload: { ...data, period: 'DAY', periodId: '2026-03-04', limit: 10, thresholdPercent: 80 },
    },
    {
      type: 'quota.reached',
      tenant_id: tenantId,
      payload: { ...data, period: 'MONTH', periodId: '2026-03', limit: 9 },
    },
  ])
})

test('what all keys of a tenant use together names no key', async () => {
  const tenantId = await seedTenant(query)
  await startNode(tenantId, { scope: 'tenant' }).flush({ delta: 10 })
  const events = await eventsOf({ tenantId: formatPublicId('Tenant', tenantId) })
  expect(events.map(({ type, payload }) => [type, payload.apiKeyId])).toEqual([
    ['quota.warning', null],
    ['quota.reached', null],
  ])
})

test('a flush that is written again tells nothing again, also when both are under way at once', async () => {
  const { flush, flushAgain, told } = await seedNode()
  await Promise.all([flush({ delta: 10 }), flushAgain({ delta: 10 }), flushAgain({ delta: 10 })])
  await flushAgain({ delta: 10 })
  expect(await told()).toEqual(['warning 10/10', 'reached 10/10'])
})

test('a flush that fails tells nothing, and tells it when it is written again', async () => {
  const { flush, flushAgain, told } = await seedNode()
  await expect(flush({ delta: 10 }, { subjectId: 'no id' })).rejects.toThrow()
  expect(await told()).toEqual([])
  await flushAgain({ delta: 10 })
  expect(await told()).toEqual(['warning 10/10', 'reached 10/10'])
})

test('of two servers that are each below the threshold, the one that brings both above it tells', async () => {
  const { keyId, flush, told } = await seedNode()
  const other = startNode(keyId)
  await flush({ delta: 5 })
  await other.flush({ delta: 4 })
  expect(await told()).toEqual(['warning 9/10'])
  await flush({ delta: 1 })
  await other.flush({ delta: 1 })
  expect(await told()).toEqual(['warning 9/10', 'reached 10/10'])
})

test('many servers that flush at once tell once', async () => {
  const { keyId, told } = await seedNode()
  const nodes = Array.from({ length: 8 }, () => startNode(keyId))
  for (let turn = 0; turn < 3; turn++) {
    await Promise.all(nodes.map(({ flush }) => flush({ delta: 1, isRefused: turn === 2 })))
  }
  const types = (await told()).map((line) => line.split(' ')[0])
  expect(types.sort()).toEqual(['reached', 'warning'])
})

describe('a limit that changes within the period', () => {
  test('is told of anew when it is raised, by its own threshold', async () => {
    const { flush, told } = await seedNode()
    await flush({ delta: 10 })
    await flush({ delta: 5, limit: 100 })
    expect(await told()).toEqual(['warning 10/10', 'reached 10/10'])
    await flush({ delta: 65, limit: 100 })
    await flush({ delta: 20, limit: 100 })
    expect(await told()).toEqual(['warning 10/10', 'reached 10/10', 'warning 80/100', 'reached 100/100'])
  })

  test('is told once of each limit while servers have not all heard of it', async () => {
    const { keyId, flush, told } = await seedNode()
    const other = startNode(keyId, { limit: 20 })
    await flush({ delta: 10 })
    for (let i = 0; i < 3; i++) {
      await other.flush({ delta: 2 })
      await flush({ delta: 0, isRefused: true })
    }
    expect(await told()).toEqual(['warning 10/10', 'reached 10/10', 'warning 16/20'])
  })

  test('is told to be reached when it is lowered below what is used and denies; the warning was given', async () => {
    const { flush, told } = await seedNode()
    await flush({ delta: 8 })
    await flush({ delta: 0, limit: 6, isRefused: true })
    expect(await told()).toEqual(['warning 8/10', 'reached 8/6'])
  })

  test('is not told again when it comes back to what it was', async () => {
    const { flush, told } = await seedNode()
    await flush({ delta: 10 })
    await flush({ delta: 0, limit: 5, isRefused: true })
    await flush({ delta: 0, limit: 10, isRefused: true })
    expect(await told()).toEqual(['warning 10/10', 'reached 10/10'])
  })
})

test('a denial reaches a limit that the count never gets to', async () => {
  const { flush, told } = await seedNode()
  await flush({ delta: 8 })
  await flush({ delta: 1, isRefused: true })
  expect(await told()).toEqual(['warning 8/10', 'reached 9/10'])
  await flush({ delta: 1, isRefused: true })
  expect(await told()).toEqual(['warning 8/10', 'reached 9/10'])
})

test('a limit of 0 is reached with the first denial, and never warned of', async () => {
  const { flush, told } = await seedNode({ limit: 0 })
  await flush({ delta: 0, isRefused: true })
  await flush({ delta: 0, isRefused: true })
  expect(await told()).toEqual(['reached 0/0'])
})

test('the next period is warned of anew', async () => {
  const { flush, told } = await seedNode()
  await flush({ delta: 9 })
  await flush({ delta: 7, periodId: '2026-03-05' })
  expect(await told()).toEqual(['warning 9/10'])
  await flush({ delta: 1, periodId: '2026-03-05' })
  expect(await told()).toEqual(['warning 9/10', 'warning 8/10'])
})

test('nothing is warned of where no warning is wanted, and the limit is told all the same', async () => {
  const { flush, told } = await seedNode({ warningPercent: 0 })
  await flush({ delta: 9 })
  await flush({ delta: 1 })
  expect(await told()).toEqual(['reached 10/10'])
})

test('of a key that is deleted nobody is told, and the flush is written', async () => {
  const keyId = randomUUID()
  await startNode(keyId).flush({ delta: 10 })
  expect(await toldOf(keyId)).toEqual([])
  expect(await query('SELECT used::int FROM quota_counts WHERE subject_id = $1', [keyId])).toEqual([{ used: 10 }])
})

test('a full flush is one statement where nothing is to be told, and three more where much is', async () => {
  const statements: string[] = []
  const counted = database.openPool({ onStatement: (sql) => statements.push(sql) })
  const store = createQuotaStore(counted, randomUUID())
  const subjectIds = Array.from({ length: 10_000 }, () => randomUUID())
  const rowsOf = (delta: number) =>
    subjectIds.map(
      (subjectId): QuotaDelta => ({
        scope: 'key',
        subjectId,
        unit: 'day',
        periodId: '2026-03-04',
        delta,
        limit: 10,
        warningPercent: 80,
        isRefused: false,
      }),
    )
  const around = ['BEGIN', 'quota_flushes', 'quota_flushes', 'COMMIT'].length
  await store.write({ sequence: 1, rows: rowsOf(1) })
  expect(statements).toHaveLength(around + 1)
  statements.length = 0
  await seedKeys(subjectIds)
  await store.write({ sequence: 2, rows: rowsOf(9) })
  expect(statements).toHaveLength(around + 4)
  const [row] = await query<{ count: number }>(
    'SELECT count(*)::int FROM outbox_events WHERE correlation_id = (SELECT max(correlation_id) FROM outbox_events)',
  )
  expect(row?.count).toBe(20_000)
})

async function seedKeys(ids: readonly string[]): Promise<void> {
  await query(
    `INSERT INTO api_keys (id, tenant_id, name, environment, created_at, updated_at)
     SELECT id, $1, id::text, 'TEST', now(), now() FROM unnest($2::uuid[]) AS id`,
    [tenantId, ids],
  )
}
