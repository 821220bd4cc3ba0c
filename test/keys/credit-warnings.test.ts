import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabasePool } from '../../src/db/pool.ts'
import { EVENT_TYPES, type EventType } from '../../src/events/event-types.ts'
import { createCreditStore } from '../../src/keys/credit-store.ts'
import { getZoneCalendar } from '../../src/lib/calendar.ts'
import { formatPublicId } from '../../src/public-id.ts'
import type { LeaseRequest } from '../../src/verify/limits/credit-lease.ts'
import { createStoreDatabase, type StoreDatabase } from '../harness/store-database.ts'
import { type CreditOptions, type Query, seedKey, seedTenant } from '../verify/e2e/seeding.ts'

const NOW_MS = Date.parse('2026-03-04T12:00:00Z')
const DAY_MS = 86_400_000
const MIGRATION = join(import.meta.dirname, '../../prisma/migrations/20261128033001_credit_base/migration.sql')
const DAILY = { amount: 10, refill: { amount: 10, every: 'DAY' }, refilledAt: NOW_MS } as const
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

interface Told {
  readonly type: EventType
  readonly payload: Record<string, unknown>
  readonly tenant_id: string
  readonly occurred_at: Date
}

async function seedCredits(credits: CreditOptions) {
  const { keyId } = await seedKey(query, tenantId, { credits })
  const store = createCreditStore(pool)
  const calendar = getZoneCalendar('UTC')
  const common = { keyId, tenantId, need: 1, returned: null, nowMs: NOW_MS, calendar, warningPercent: 80 }
  const events = async () => {
    const rows = await query<Told>(
      `SELECT type, payload, tenant_id, occurred_at FROM outbox_events WHERE payload ->> 'apiKeyId' = $1 ORDER BY position`,
      [formatPublicId('ApiKey', keyId)],
    )
    for (const { type, payload } of rows) EVENT_TYPES[type].data.strict().parse(payload)
    return rows
  }
  return {
    keyId,
    store,
    events,
    lease: (want: number, rest: Partial<LeaseRequest> = {}) => store.lease({ ...common, want, ...rest }),
    /** `low 2/10` for each event, in their order. */
    told: async () =>
      (await events()).map(
        ({ type, payload }) => `${type.replace('credits.', '')} ${payload.remaining}/${payload.base}`,
      ),
  }
}

test('few credits are told of when the percentage has left the store, and none when the last have, once each', async () => {
  const { lease, told } = await seedCredits({ amount: 10 })
  await lease(7)
  expect(await told()).toEqual([])
  await lease(1)
  expect(await told()).toEqual(['low 2/10'])
  await lease(1)
  expect(await told()).toEqual(['low 2/10'])
  await lease(1)
  for (let i = 0; i < 3; i++) await lease(1)
  expect(await told()).toEqual(['low 2/10', 'exhausted 0/10'])
})

test('the event says whose credits they are, how many are left, and of how many', async () => {
  const { keyId, lease, events } = await seedCredits({ amount: 10 })
  await lease(10, { warningPercent: 50 })
  const common = {
    tenantId: formatPublicId('Tenant', tenantId),
    apiKeyId: formatPublicId('ApiKey', keyId),
    remaining: 0,
  }
  const row = { tenant_id: tenantId, occurred_at: new Date(NOW_MS) }
  expect(await events()).toEqual([
    { ...row, type: 'credits.low', payload: { ...common, base: 10, thresholdPercent: 50 } },
    { ...row, type: 'credits.exhausted', payload: { ...common, base: 10 } },
  ])
})

test('what a server gives back makes neither possible again', async () => {
  const { keyId, store, lease, told } = await seedCredits({ amount: 10 })
  const { epoch } = await lease(10)
  await store.giveBack(keyId, { amount: 9, epoch })
  await lease(9)
  expect(await told()).toEqual(['low 0/10', 'exhausted 0/10'])
})

test('what is given back with a lease counts as remaining', async () => {
  const { lease, told } = await seedCredits({ amount: 10 })
  const { epoch } = await lease(7)
  await lease(3, { returned: { amount: 6, epoch } })
  expect(await told()).toEqual([])
})

test('many servers that lease at once tell once', async () => {
  const { lease, told } = await seedCredits({ amount: 20 })
  await Promise.all(Array.from({ length: 30 }, () => lease(1)))
  expect(await told()).toEqual(['low 4/20', 'exhausted 0/20'])
})

describe('a request that is refused', () => {
  test('exhausts near the end what is too little for it, once', async () => {
    const { lease, told } = await seedCredits({ amount: 10 })
    await lease(8)
    await lease(5, { need: 5 })
    await lease(5, { need: 5 })
    await lease(2)
    expect(await told()).toEqual(['low 2/10', 'exhausted 2/10'])
  })

  test('says nothing while much is left, and the end is told when it comes', async () => {
    const { lease, told } = await seedCredits({ amount: 100 })
    await lease(40)
    await lease(80, { need: 80 })
    await lease(39)
    await lease(80, { need: 80 })
    expect(await told()).toEqual([])
    await lease(21)
    expect(await told()).toEqual(['low 0/100', 'exhausted 0/100'])
  })

  test('says nothing when it costs more than there ever was', async () => {
    const { lease, told } = await seedCredits({ amount: 10 })
    await lease(11, { need: 11 })
    expect(await told()).toEqual([])
  })

  test('exhausts a key that was given 0 credits, which are never low', async () => {
    const { lease, told } = await seedCredits({ amount: 0 })
    await lease(1)
    await lease(1)
    expect(await told()).toEqual(['exhausted 0/0'])
  })
})

describe('a refill', () => {
  test('that raises makes both possible again, and is what the next percentage is of', async () => {
    const { lease, told } = await seedCredits({ ...DAILY, amount: 100 })
    await lease(100)
    await lease(7, { nowMs: NOW_MS + DAY_MS })
    expect(await told()).toEqual(['low 0/100', 'exhausted 0/100'])
    await lease(1, { nowMs: NOW_MS + DAY_MS })
    await lease(2, { nowMs: NOW_MS + DAY_MS })
    expect(await told()).toEqual(['low 0/100', 'exhausted 0/100', 'low 2/10', 'exhausted 0/10'])
  })

  test('that finds enough there changes nothing', async () => {
    const { lease, told } = await seedCredits({ ...DAILY, amount: 100 })
    await lease(85)
    expect(await told()).toEqual(['low 15/100'])
    await lease(1, { nowMs: NOW_MS + DAY_MS })
    expect(await told()).toEqual(['low 15/100'])
  })
})

describe('the percentage', () => {
  test('that is raised is told of anew, and one that is lowered is not', async () => {
    const { lease, told } = await seedCredits({ amount: 100 })
    await lease(80)
    await lease(1, { warningPercent: 50 })
    await lease(9, { warningPercent: 90 })
    await lease(1)
    expect(await told()).toEqual(['low 20/100', 'low 10/100'])
  })

  test('of none warns of nothing, and exhaustion is told all the same', async () => {
    const { lease, told } = await seedCredits({ amount: 10 })
    await lease(9, { warningPercent: 0 })
    await lease(1, { warningPercent: 0 })
    expect(await told()).toEqual(['exhausted 0/10'])
  })

  test('leaves at most as much as it says, whatever the numbers', async () => {
    const { lease, told } = await seedCredits({ amount: 7 })
    // 20 % of 7 are 1.4.
    await lease(5)
    expect(await told()).toEqual([])
    await lease(1)
    expect(await told()).toEqual(['low 1/7'])
  })
})

test('a lease of a key that spends no credits tells nothing', async () => {
  const { lease, keyId, told } = await seedCredits({ amount: 1 })
  await query('DELETE FROM api_key_credits WHERE api_key_id = $1', [keyId])
  expect(await lease(1)).toMatchObject({ granted: 0, stored: 0, epoch: 0 })
  expect(await told()).toEqual([])
})

test('more than the base is the base: a server of an earlier version knew of none', async () => {
  const { lease, keyId, told } = await seedCredits({ amount: 10 })
  await query('UPDATE api_key_credits SET base = 0 WHERE api_key_id = $1', [keyId])
  await lease(7)
  await lease(1)
  expect(await told()).toEqual(['low 2/10'])
})

describe('the upgrade to the first version that tells', () => {
  async function seedUpgraded(credits: CreditOptions) {
    const seeded = await seedCredits(credits)
    await query('UPDATE api_key_credits SET base = 0 WHERE api_key_id = $1', [seeded.keyId])
    await query(await readFile(MIGRATION, 'utf8'))
    return seeded
  }

  test('finds credits that are gone told of, until a refill', async () => {
    const gone = { ...DAILY, amount: 0 }
    const { lease, told } = await seedUpgraded(gone)
    await lease(1)
    expect(await told()).toEqual([])
    await lease(10, { nowMs: NOW_MS + DAY_MS })
    expect(await told()).toEqual(['low 0/10', 'exhausted 0/10'])
  })

  test('takes what is there, or what a refill brings, for the base', async () => {
    const { lease, told } = await seedUpgraded({ ...DAILY, amount: 3 })
    await lease(1)
    await lease(2)
    expect(await told()).toEqual(['low 2/10', 'exhausted 0/10'])
  })
})
