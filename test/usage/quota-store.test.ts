import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKeySource } from '../../src/keys/key-source.ts'
import { hashToken, tokenHashToBytes } from '../../src/keys/token.ts'
import { createEnvelope } from '../../src/secrets/envelope.ts'
import { createQuotaStore } from '../../src/usage/quota-store.ts'
import { prepareLimits } from '../../src/verify/limits/limit-plan.ts'
import { createLimits, type StoredQuotas } from '../../src/verify/limits/limits.ts'
import type { QuotaDelta, QuotaFlush } from '../../src/verify/limits/quota-ledger.ts'
import { createStoreDatabase, type StoreDatabase } from '../harness/store-database.ts'
import { newToken } from '../verify/key-records.ts'
import { MemoryCreditStore } from '../verify/limits/memory-credit-store.ts'
import { type Random, withSeedsAsync } from '../verify/limits/seeded-random.ts'

const NOON = Date.parse('2026-03-04T12:00:00.000Z')
const HOUR_MS = 3_600_000
const LIMIT = 1_000_000_000
let database: StoreDatabase
let owner: pg.Pool
let pool: pg.Pool

beforeAll(async () => {
  database = await createStoreDatabase()
  owner = database.owner
  pool = database.openPool()
})
afterAll(() => database.drop())

function flushOf(sequence: number, deltas: Record<string, number>): QuotaFlush {
  const rows = Object.entries(deltas).map(
    ([subjectId, delta]): QuotaDelta => ({
      scope: 'key',
      subjectId,
      unit: 'day',
      periodId: '2026-03-04',
      delta,
      limit: LIMIT,
      warningPercent: 80,
      isRefused: false,
    }),
  )
  return { sequence, rows }
}

async function readUsed(subjectId: string, unit = 'day', periodId = '2026-03-04'): Promise<number> {
  const { rows } = await owner.query(
    'SELECT used FROM quota_counts WHERE subject_id = $1 AND unit = $2 AND period_id = $3',
    [subjectId, unit, periodId],
  )
  return Number(rows[0]?.used ?? 0)
}

test('a flush that is written again adds nothing, also when both are under way at once', async () => {
  const subject = randomUUID()
  const store = createQuotaStore(pool, randomUUID())
  const flush = flushOf(1, { [subject]: 3 })
  await Promise.all([store.write(flush), store.write(flush), store.write(flush)])
  await store.write(flush)
  expect(await readUsed(subject)).toBe(3)
  await store.write(flushOf(2, { [subject]: 4 }))
  await store.write(flush)
  expect(await readUsed(subject)).toBe(7)
})

test('counts of several servers add up', async () => {
  const subjects = Array.from({ length: 50 }, () => randomUUID())
  const deltas = Object.fromEntries(subjects.map((subject) => [subject, 1]))
  const opposite = Object.fromEntries(subjects.toReversed().map((subject) => [subject, 1]))
  await Promise.all(
    Array.from({ length: 8 }, async (_, server) => {
      const store = createQuotaStore(pool, randomUUID())
      for (let sequence = 1; sequence <= 5; sequence++) {
        await store.write(flushOf(sequence, server % 2 === 0 ? deltas : opposite))
      }
    }),
  )
  for (const subject of subjects) expect(await readUsed(subject)).toBe(40)
})

test('a flush that fails in the middle adds nothing, and can be written again', async () => {
  const subject = randomUUID()
  const store = createQuotaStore(pool, randomUUID())
  await expect(store.write(flushOf(1, { [subject]: 1, 'no id': 1 }))).rejects.toThrow()
  expect(await readUsed(subject)).toBe(0)
  await store.write(flushOf(1, { [subject]: 1 }))
  expect(await readUsed(subject)).toBe(1)
})

describe('a server that has nothing to write', () => {
  const age = (nodeId: string, days: number) =>
    owner.query(`UPDATE quota_flushes SET flushed_at = now() - $2 * interval '1 day' WHERE node_id = $1`, [
      nodeId,
      days,
    ])
  const sequenceOf = async (nodeId: string): Promise<unknown> =>
    (await owner.query('SELECT sequence::int FROM quota_flushes WHERE node_id = $1', [nodeId])).rows[0]?.sequence

  test('is remembered for weeks, and as long as it shows that it is there', async () => {
    const [idle, busy] = [randomUUID(), randomUUID()]
    const idleStore = createQuotaStore(pool, idle)
    await idleStore.write(flushOf(1, {}))
    await age(idle, 29)
    await createQuotaStore(pool, busy).write(flushOf(1, {}))
    expect(await sequenceOf(idle)).toBe(1)
    await idleStore.keepAlive()
    await age(busy, 31)
    await createQuotaStore(pool, randomUUID()).write(flushOf(1, {}))
    expect([await sequenceOf(idle), await sequenceOf(busy)]).toEqual([1, undefined])
  })

  test('comes back with what it had written when it was forgotten all the same', async () => {
    const nodeId = randomUUID()
    const store = createQuotaStore(pool, nodeId)
    await store.keepAlive()
    expect(await sequenceOf(nodeId)).toBeUndefined()
    await store.write(flushOf(1, {}))
    await store.write(flushOf(2, {}))
    await owner.query('DELETE FROM quota_flushes WHERE node_id = $1', [nodeId])
    await store.keepAlive()
    expect(await sequenceOf(nodeId)).toBe(2)
  })
})

interface Subject {
  readonly keyId: string
  readonly tenantId: string
  readonly token: string
}

async function insertKey(): Promise<Subject> {
  const [keyId, tenantId, token] = [randomUUID(), randomUUID(), newToken()]
  await owner.query(
    `WITH tenant AS (
       INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at)
       VALUES ($1, 'tenant ' || $1::uuid, 'tenant', 'acme', now(), now()) RETURNING id),
     key AS (
       INSERT INTO api_keys (id, tenant_id, name, environment, created_at, updated_at)
       SELECT $2, id, 'key', 'TEST', now(), now() FROM tenant RETURNING id, tenant_id)
     INSERT INTO api_key_secrets (id, tenant_id, api_key_id, hash, start, activated_at, created_at)
     SELECT $2, tenant_id, id, $3, 'start', now(), now() FROM key`,
    [tenantId, keyId, tokenHashToBytes(hashToken(token))],
  )
  return { keyId, tenantId, token }
}

const quotas = { perDay: LIMIT, perMonth: LIMIT }
const plan = prepareLimits({ key: quotas, tenant: quotas, zone: 'UTC', hasCredits: false })

/** One server: its limits, its reads and its flushes over the real statements, in an order that the test determines. */
function startServer(random: Random, subject: Subject) {
  const nodeId = randomUUID()
  const store = createQuotaStore(pool, nodeId)
  const source = createKeySource({ pool, envelope: createEnvelope(randomBytes(32)), nodeId })
  const limits = createLimits({
    creditStore: new MemoryCreditStore(),
    nowMs: () => NOON,
    // What is not held the sweep forgets.
    isKeyHeld: () => random.chance(0.5),
    isTenantHeld: () => random.chance(0.5),
  })
  if (plan === null) throw new Error('Nothing is limited.')
  const reads: { readonly at: number; readonly quotas: Promise<StoredQuotas | undefined> }[] = []
  let writing: { readonly flush: QuotaFlush; readonly done: Promise<void> } | null = null
  /** Units admitted, by day. */
  const counted = new Map<string, number>()
  const dayOf = (nowMs: number) => new Date(nowMs).toISOString().slice(0, 10)

  /** What the limits say was used: of key and tenant, per day and month; undefined when they do not know. */
  function look(nowMs: number, cost = 0): number[] | undefined {
    if (plan === null) return undefined
    const decision = limits.admit(plan, subject, cost, nowMs)
    if (decision instanceof Promise || decision.outcome !== 'admitted') return undefined
    return decision.limits.map(({ limit, remaining }) => limit - remaining)
  }

  const steps: ((nowMs: number) => void | Promise<void>)[] = [
    (nowMs) => {
      const cost = random.int(0, 5)
      if (look(nowMs, cost) === undefined) return
      counted.set(dayOf(nowMs), (counted.get(dayOf(nowMs)) ?? 0) + cost)
    },
    () => {
      const flush = writing === null ? limits.drainDeltas() : null
      if (flush !== null) writing = { flush, done: store.write(flush) }
    },
    async () => {
      if (writing === null) return
      const { flush, done } = writing
      await done
      writing = null
      // Otherwise the answer was lost, and the same flush is written again.
      if (random.chance(0.7)) limits.confirmFlush(flush.sequence)
    },
    (nowMs) => {
      reads.push({
        at: nowMs,
        quotas: source.findByTokenHash(hashToken(subject.token)).then((record) => record?.quotas),
      })
    },
    async (nowMs) => {
      const read = random.chance(0.7) ? reads.shift() : reads.pop()
      const stored = await read?.quotas
      if (read === undefined || stored === undefined || dayOf(read.at) !== dayOf(nowMs)) return
      limits.load(plan, subject, stored, read.at)
    },
    (nowMs) => limits.sweep(nowMs),
  ]

  return {
    step: (nowMs: number) => random.pick(steps)(nowMs),
    look,
    countedOn: (nowMs: number) => counted.get(dayOf(nowMs)) ?? 0,
    countedInAll: () => counted.values().reduce((sum, units) => sum + units, 0),
    async finish() {
      await writing?.done
      await Promise.all(reads.map((read) => read.quotas))
      for (let flush = limits.drainDeltas(); flush !== null; flush = limits.drainDeltas()) {
        await store.write(flush)
        limits.confirmFlush(flush.sequence)
      }
    },
  }
}

describe('in any order of counting, flushing, losing answers, reading and forgetting', () => {
  test('one server knows at any time what was counted, and so does the database in the end', async () => {
    await withSeedsAsync(12, async (random) => {
      const subject = await insertKey()
      const server = startServer(random, subject)
      let nowMs = NOON
      for (let step = 0; step < 150; step++) {
        // Over midnight.
        if (random.chance(0.05)) nowMs += 2.5 * HOUR_MS
        // The clock of a server that starts anew can be behind what it wrote before.
        else if (random.chance(0.01)) nowMs -= 2.5 * HOUR_MS
        await server.step(nowMs)
        const used = server.look(nowMs)
        if (used === undefined) continue
        const [day, month] = [server.countedOn(nowMs), server.countedInAll()]
        expect(used).toEqual([day, month, day, month])
      }
      await server.finish()
      expect(await readUsed(subject.keyId, 'month', '2026-03')).toBe(server.countedInAll())
      expect(await readUsed(subject.tenantId, 'month', '2026-03')).toBe(server.countedInAll())
      expect(await readUsed(subject.keyId, 'day', '2026-03-04')).toBe(server.countedOn(NOON))
    })
  })

  test('of two servers each knows its own at least, never more than both, and the database has the sum', async () => {
    await withSeedsAsync(8, async (random) => {
      const subject = await insertKey()
      const servers = [startServer(random, subject), startServer(random, subject)] as const
      const sum = () => servers[0].countedInAll() + servers[1].countedInAll()
      for (let step = 0; step < 200; step++) {
        const server = random.pick(servers)
        await server.step(NOON)
        for (const used of server.look(NOON) ?? []) {
          expect(used).toBeGreaterThanOrEqual(server.countedInAll())
          expect(used).toBeLessThanOrEqual(sum())
        }
      }
      for (const server of servers) await server.finish()
      expect(await readUsed(subject.keyId)).toBe(sum())
      expect(await readUsed(subject.tenantId, 'month', '2026-03')).toBe(sum())
    })
  })
})
