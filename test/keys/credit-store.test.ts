import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCreditStore } from '../../src/keys/credit-store.ts'
import { getZoneCalendar } from '../../src/lib/calendar.ts'
import type { CreditStore, LeaseTerms } from '../../src/verify/limits/credit-lease.ts'
import { computeRefill, type RefillInterval } from '../../src/verify/limits/credit-refill.ts'
import { createStoreDatabase, type StoreDatabase } from '../harness/store-database.ts'
import { creditStoreContract } from '../verify/limits/credit-store-contract.ts'
import type { CreditTerms } from '../verify/limits/memory-credit-store.ts'

const TENANT = randomUUID()
const UTC = termsIn('UTC')
let database: StoreDatabase
let owner: pg.Pool
let pool: pg.Pool
let store: CreditStore

beforeAll(async () => {
  database = await createStoreDatabase()
  owner = database.owner
  pool = database.openPool()
  store = createCreditStore(pool)
  await owner.query(
    `INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at) VALUES ($1, 'acme', 'acme', 'acme', now(), now())`,
    [TENANT],
  )
})
afterAll(() => database.drop())

function termsIn(zone: string): LeaseTerms {
  return { tenantId: TENANT, calendar: getZoneCalendar(zone), warningPercent: 80 }
}

async function createCredits({ amount, refill, createdAtMs }: CreditTerms): Promise<string> {
  const keyId = randomUUID()
  await owner.query(
    `WITH key AS (
       INSERT INTO api_keys (id, tenant_id, name, environment, created_at, updated_at)
       VALUES ($1, $2, 'key ' || $1::uuid, 'TEST', now(), now()) RETURNING id, tenant_id)
     INSERT INTO api_key_credits (api_key_id, tenant_id, remaining, epoch, refill_amount, refill_every, refilled_at)
     SELECT id, tenant_id, $3, 1, $4, $5::refill_interval, $6 FROM key`,
    [keyId, TENANT, amount, refill?.amount ?? null, refill?.every ?? null, new Date(createdAtMs)],
  )
  return keyId
}

async function readCredits(keyId: string): Promise<{ remaining: number; epoch: number; refilledAtMs: number }> {
  const { rows } = await owner.query(
    'SELECT remaining, epoch, refilled_at FROM api_key_credits WHERE api_key_id = $1',
    [keyId],
  )
  const { remaining, epoch, refilled_at: refilledAt } = rows[0]
  return { remaining: Number(remaining), epoch: Number(epoch), refilledAtMs: refilledAt.getTime() }
}

creditStoreContract('PostgreSQL', async () => ({
  store,
  create: createCredits,
  async topUp(keyId, amount) {
    await owner.query('UPDATE api_key_credits SET remaining = remaining + $2 WHERE api_key_id = $1', [keyId, amount])
  },
  async set(keyId, amount) {
    await owner.query('UPDATE api_key_credits SET remaining = $2, epoch = epoch + 1 WHERE api_key_id = $1', [
      keyId,
      amount,
    ])
  },
  stored: async (keyId) => (await readCredits(keyId)).remaining,
  close: async () => {},
}))

describe('days and months of a refill', () => {
  /** Where midnight is skipped, repeated or shifted by odd amounts, on either side of UTC. */
  const ZONES = [
    'UTC',
    'Europe/Berlin',
    'CET',
    'America/New_York',
    'America/Havana',
    'Atlantic/Azores',
    'Asia/Beirut',
    'Africa/Cairo',
    'America/Santiago',
    'America/Sao_Paulo',
    'America/Asuncion',
    'America/St_Johns',
    'Australia/Lord_Howe',
    'Antarctica/Troll',
    'Asia/Kathmandu',
    'Pacific/Apia',
    'Pacific/Kiritimati',
  ]
  const FIRST_MS = Date.parse('2010-01-01T00:00:00Z')
  const LAST_MS = Date.parse('2037-01-01T00:00:00Z')
  const DAY_MS = 86_400_000

  async function expectAsComputed(zone: string, every: RefillInterval, refilledAtMs: number, nowMs: number) {
    const keyId = await createCredits({ amount: 3, refill: { amount: 10, every }, createdAtMs: refilledAtMs })
    const grant = await store.lease({
      keyId,
      need: 100,
      want: 100,
      returned: null,
      nowMs,
      ...termsIn(zone),
    })
    const { remaining, epoch, refilledAtMs: writtenMs } = await readCredits(keyId)
    const computed = computeRefill({ stored: 3, refilledAtMs }, { amount: 10, every }, nowMs, zone)
    const at = `${zone} ${every} ${new Date(refilledAtMs).toISOString()} ${new Date(nowMs).toISOString()}`
    expect(
      { stored: remaining, refilledAtMs: writtenMs, raised: epoch !== 1, nextRefillAtMs: grant.nextRefillAtMs },
      at,
    ).toEqual(computed)
    return computed
  }

  /** The first instants of periods near a time, found as the rule finds them. */
  function findNextStart(zone: string, every: RefillInterval, nearMs: number): number {
    return computeRefill({ stored: 0, refilledAtMs: 0 }, { amount: 1, every }, nearMs, zone).nextRefillAtMs
  }

  test('are those that the rule computes, at any time and to the millisecond around each boundary', async () => {
    const zone = fc.constantFrom(...ZONES)
    const every = fc.constantFrom<RefillInterval>('DAY', 'MONTH')
    const nearMs = fc.integer({ min: FIRST_MS, max: LAST_MS })
    const offsetMs = fc.oneof(
      fc.constantFrom(-1, 0, 1, -3_600_000, 3_600_000),
      fc.integer({ min: -2 * DAY_MS, max: 2 * DAY_MS }),
    )
    const ageMs = fc.oneof(fc.constantFrom(0, 1, -1), fc.integer({ min: -DAY_MS, max: 40 * DAY_MS }))
    await fc.assert(
      fc.asyncProperty(zone, every, nearMs, offsetMs, ageMs, async (zone, every, nearMs, offsetMs, ageMs) => {
        const nowMs = findNextStart(zone, every, nearMs) + offsetMs
        await expectAsComputed(zone, every, nowMs - ageMs, nowMs)
      }),
      { numRuns: 300 },
    )
  })

  /** Zones and an instant shortly before clocks change at or around midnight. */
  const CHANGES: readonly (readonly [string, string, string])[] = [
    ['midnight comes twice', 'America/Havana', '2026-11-01T03:00:00Z'],
    ['midnight is skipped', 'America/Havana', '2026-03-08T04:00:00Z'],
    ['midnight comes twice', 'Atlantic/Azores', '2026-10-24T23:00:00Z'],
    ['midnight is skipped', 'Asia/Beirut', '2026-03-28T21:00:00Z'],
    ['the hour before midnight comes twice', 'Asia/Beirut', '2026-10-24T20:00:00Z'],
    ['midnight is skipped', 'Africa/Cairo', '2026-04-23T21:00:00Z'],
    ['the hour before midnight comes twice', 'America/Santiago', '2026-04-05T02:00:00Z'],
    ['clocks went back over midnight', 'America/St_Johns', '2010-11-07T01:30:00Z'],
    ['a day was left out', 'Pacific/Apia', '2011-12-30T09:00:00Z'],
  ]

  test.each(CHANGES)('where %s: %s, in steps of ten minutes from %s', async (_what, zone, from) => {
    const startMs = Date.parse(from)
    for (let step = 0; step <= 24; step++) {
      const nowMs = startMs + step * 600_000
      await expectAsComputed(zone, 'DAY', nowMs - 600_000, nowMs)
    }
  })

  test.each(CHANGES)('one refill a day where %s: %s from %s', async (_what, zone, from) => {
    const startMs = Date.parse(from) - DAY_MS
    const keyId = await createCredits({ amount: 0, refill: { amount: 1, every: 'DAY' }, createdAtMs: startMs })
    let granted = 0
    let nowMs = startMs
    for (; nowMs <= startMs + 3 * DAY_MS; nowMs += 1_200_000) {
      granted += (await store.lease({ keyId, need: 1, want: 1, returned: null, nowMs, ...termsIn(zone) })).granted
    }
    const boundaries = new Set<number>()
    for (let ms = startMs; ms < nowMs; ms += 600_000) boundaries.add(findNextStart(zone, 'DAY', ms))
    const crossed = [...boundaries].filter((ms) => ms > startMs && ms <= nowMs - 1_200_000).length
    expect(granted).toBe(crossed)
  })

  test('a month begins on its first day, whatever the length of the one before', async () => {
    for (const month of ['2026-01', '2026-02', '2028-02', '2026-04', '2026-12']) {
      for (const day of ['28', '29', '30', '31']) {
        const nowMs = Date.parse(`${month}-${day}T23:59:59.999Z`)
        if (!Number.isFinite(nowMs)) continue
        await expectAsComputed('UTC', 'MONTH', nowMs - 1000, nowMs)
        await expectAsComputed('UTC', 'MONTH', nowMs - 1000, nowMs + 1)
        await expectAsComputed('Europe/Berlin', 'MONTH', nowMs - 1000, nowMs)
      }
    }
  })

  test('a key without refills says of none when it is due', async () => {
    const keyId = await createCredits({ amount: 3, refill: null, createdAtMs: FIRST_MS })
    expect(await store.lease({ keyId, need: 1, want: 2, returned: null, nowMs: LAST_MS, ...UTC })).toMatchObject({
      granted: 2,
      nextRefillAtMs: null,
    })
  })
})

test('leases, returns, top-ups and refills of several servers never hand out a credit twice', async () => {
  const pools = Array.from({ length: 2 }, () => database.openPool())
  const stores = pools.map((each) => createCreditStore(each))
  const startMs = Date.parse('2026-03-04T00:00:00Z')
  const keyId = await createCredits({ amount: 100, refill: null, createdAtMs: startMs })
  let toppedUp = 0
  let spent = 0
  const seed = Math.floor(Math.random() * 2 ** 31)
  await Promise.all(
    Array.from({ length: 16 }, async (_, worker) => {
      const server = stores[worker % stores.length] ?? store
      for (let turn = 0; turn < 40; turn++) {
        const random = (seed + worker * 7919 + turn * 104_729) % 13
        if (random === 0) {
          toppedUp += 5
          await owner.query('UPDATE api_key_credits SET remaining = remaining + 5 WHERE api_key_id = $1', [keyId])
        }
        const { granted, epoch } = await server.lease({
          keyId,
          need: 1 + (random % 3),
          want: 4,
          returned: null,
          nowMs: startMs,
          ...UTC,
        })
        const rest = granted > 1 && random % 2 === 0 ? 1 : 0
        spent += granted - rest
        if (rest > 0) await server.giveBack(keyId, { amount: rest, epoch })
      }
    }),
  )
  const { remaining } = await readCredits(keyId)
  expect(spent + remaining, `seed ${seed}`).toBe(100 + toppedUp)
})

test('a debt cannot be written, by nobody', async () => {
  const keyId = await createCredits({ amount: 1, refill: null, createdAtMs: 0 })
  const debt = owner.query('UPDATE api_key_credits SET remaining = -1 WHERE api_key_id = $1', [keyId])
  await expect(debt).rejects.toMatchObject({ constraint: 'api_key_credits_never_negative' })
})

test('a lease is one statement', async () => {
  const statements: string[] = []
  const counted = database.openPool({ onStatement: (sql) => statements.push(sql) })
  const keyId = await createCredits({ amount: 1, refill: null, createdAtMs: 0 })
  await createCreditStore(counted).lease({ keyId, need: 1, want: 1, returned: null, nowMs: 0, ...UTC })
  expect(statements).toHaveLength(1)
})
