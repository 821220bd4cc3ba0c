import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createUsageStore } from '../../src/usage/usage-store.ts'
import type { UsageFlush } from '../../src/verify/ports.ts'
import { OTHER_TAG } from '../../src/verify/usage/tag-tally.ts'
import type { VerdictCode } from '../../src/verify/verdict-code.ts'
import type { Tag } from '../../src/verify/verify-request.ts'
import { createStoreDatabase, type StoreDatabase } from '../harness/store-database.ts'

const NOON = Date.parse('2026-03-04T12:00:00.000Z')
const LAST_MINUTE = Date.parse('2026-03-04T23:59:00.000Z')
const MIDNIGHT = Date.parse('2026-03-05T00:00:00.000Z')
let database: StoreDatabase
let owner: pg.Pool
/** Of two servers. */
let pools: readonly [pg.Pool, pg.Pool]

beforeAll(async () => {
  database = await createStoreDatabase()
  owner = database.owner
  pools = [database.openPool(), database.openPool()]
})

afterAll(() => database.drop())

async function insertTenant(): Promise<string> {
  const tenantId = randomUUID()
  await owner.query(
    `INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at) VALUES ($1, 't-' || $1::uuid, 'Tenant', 'acme', now(), now())`,
    [tenantId],
  )
  return tenantId
}

interface FlushOptions {
  readonly minute?: number
  readonly keyId?: string
  readonly code?: VerdictCode
}

function flushOf(tenantId: string, tags: readonly Tag[], options: FlushOptions = {}): UsageFlush {
  const { minute = NOON, keyId = tenantId, code = 'VALID' } = options
  return {
    id: randomUUID(),
    keys: [],
    minutes: [],
    tags: tags.map((tag) => ({ tenantId, keyId, minute, tag, code, count: 1 })),
    secrets: [],
  }
}

/** `count` tags of which no two are the same. */
function makeTags(count: number, name = 'n'): readonly Tag[] {
  return Array.from({ length: count }, (_, number) => ({ name, value: `${number}` }))
}

const ORDERS = { name: 'route', value: 'orders' }

interface Stored {
  readonly name: string
  readonly value: string
  readonly count: number
}

async function readTags(tenantId: string, from = NOON, until = MIDNIGHT): Promise<readonly Stored[]> {
  const { rows } = await owner.query<Stored>(
    `SELECT name, value, sum(count)::int AS count FROM usage_tag_minutes
      WHERE tenant_id = $1 AND minute >= $2 AND minute < $3 GROUP BY name, value ORDER BY name, value`,
    [tenantId, new Date(from), new Date(until)],
  )
  return rows
}

function sumOf(rows: readonly Stored[]): number {
  return rows.reduce((sum, { count }) => sum + count, 0)
}

test('counts are kept by tag, key, minute and code, and add up', async () => {
  const tenantId = await insertTenant()
  const store = createUsageStore(pools[0])
  const [first, second] = [randomUUID(), randomUUID()]
  await store.write(flushOf(tenantId, [ORDERS, ORDERS], { keyId: first }))
  await store.write(flushOf(tenantId, [ORDERS], { keyId: first }))
  await store.write(flushOf(tenantId, [ORDERS], { keyId: second, code: 'RATE_LIMITED' }))
  await store.write(flushOf(tenantId, [ORDERS], { keyId: first, minute: LAST_MINUTE }))
  const { rows } = await owner.query(
    `SELECT api_key_id AS key, minute, code, count::int FROM usage_tag_minutes WHERE tenant_id = $1 ORDER BY minute, code DESC`,
    [tenantId],
  )
  expect(rows).toEqual([
    { key: first, minute: new Date(NOON), code: 'VALID', count: 3 },
    { key: second, minute: new Date(NOON), code: 'RATE_LIMITED', count: 1 },
    { key: first, minute: new Date(LAST_MINUTE), code: 'VALID', count: 1 },
  ])
})

test('a flush that is written again adds nothing, also when several are under way at once and by another server', async () => {
  const tenantId = await insertTenant()
  const [here, there] = pools.map(createUsageStore)
  const flush = flushOf(tenantId, [ORDERS, ...makeTags(3)])
  await Promise.all([here?.write(flush), there?.write(flush), here?.write(flush)])
  await there?.write(flush)
  expect(sumOf(await readTags(tenantId))).toBe(4)
})

test('a flush that fails behind its tags has added none, and can be written again', async () => {
  const tenantId = await insertTenant()
  const store = createUsageStore(pools[0])
  const flush = flushOf(tenantId, [ORDERS])
  await expect(store.write({ ...flush, secrets: [{ secretId: 'no id', lastUsedAt: NOON }] })).rejects.toThrow()
  expect(await readTags(tenantId)).toEqual([])
  await store.write(flush)
  expect(await readTags(tenantId)).toEqual([{ ...ORDERS, count: 1 }])
})

test('a thousand tags of a day are kept and further ones are other, whichever server brings them, until the next day in UTC', async () => {
  const tenantId = await insertTenant()
  const [tags, other] = [makeTags(1_001), 'other']
  await createUsageStore(pools[0]).write(flushOf(tenantId, tags))
  const noon = await readTags(tenantId)
  expect(noon).toHaveLength(1_001)
  expect(noon[0]).toEqual({ ...OTHER_TAG, count: 1 })
  expect(noon.find(({ value }) => value === '1000')).toBeUndefined()

  // A tag that is known still counts as itself; a new one does not.
  await createUsageStore(pools[1]).write(flushOf(tenantId, [...tags.slice(990), ORDERS], { minute: LAST_MINUTE }))
  const evening = await readTags(tenantId, LAST_MINUTE)
  expect(evening.map(({ value }) => value)).toEqual([other, ...tags.slice(990, 1_000).map(({ value }) => value)])
  expect(evening[0]?.count).toBe(2)

  await createUsageStore(pools[1]).write(flushOf(tenantId, [...tags.slice(1_000), ORDERS], { minute: MIDNIGHT }))
  expect(await readTags(tenantId, MIDNIGHT, MIDNIGHT + 1)).toEqual([
    { name: 'n', value: '1000', count: 1 },
    { ...ORDERS, count: 1 },
  ])
  // What comes late counts for its own day.
  await createUsageStore(pools[0]).write(flushOf(tenantId, [ORDERS], { minute: LAST_MINUTE }))
  expect((await readTags(tenantId, LAST_MINUTE))[0]).toEqual({ ...OTHER_TAG, count: 3 })
})

test('one flush around midnight fills each day by itself', async () => {
  const tenantId = await insertTenant()
  const [before, after] = [LAST_MINUTE, MIDNIGHT].map((minute) => flushOf(tenantId, makeTags(1_001), { minute }))
  const tags = [...(before?.tags ?? []), ...(after?.tags ?? [])]
  await createUsageStore(pools[0]).write({ ...flushOf(tenantId, []), tags })
  for (const [from, until] of [
    [NOON, MIDNIGHT],
    [MIDNIGHT, MIDNIGHT + 1],
  ]) {
    const kept = await readTags(tenantId, from, until)
    expect(kept).toHaveLength(1_001)
    expect(kept[0]).toEqual({ ...OTHER_TAG, count: 1 })
  }
})

test('the tags of one tenant take no room from another', async () => {
  const [loud, quiet] = [await insertTenant(), await insertTenant()]
  const store = createUsageStore(pools[0])
  const flushes = [flushOf(loud, makeTags(1_500)), flushOf(quiet, [ORDERS])]
  await store.write({ ...flushOf(loud, []), tags: flushes.flatMap(({ tags }) => tags) })
  expect(await readTags(quiet)).toEqual([{ ...ORDERS, count: 1 }])
})

test('servers that flush new tags of the same tenants at once keep a thousand of each, and lose no count', async () => {
  const tenantIds = await Promise.all(Array.from({ length: 4 }, insertTenant))
  const flushes = Array.from({ length: 16 }, (_, turn) => {
    const ordered = turn % 2 === 0 ? tenantIds : tenantIds.toReversed()
    const tags = ordered.flatMap((tenantId) => flushOf(tenantId, makeTags(150, `from ${turn}`)).tags)
    return { ...flushOf('', []), tags }
  })
  const [here, there] = pools.map(createUsageStore)
  await Promise.all(flushes.map((flush, turn) => (turn % 2 === 0 ? here : there)?.write(flush)))
  for (const tenantId of tenantIds) {
    const kept = await readTags(tenantId)
    expect(kept).toHaveLength(1_001)
    expect(kept[0]).toEqual({ ...OTHER_TAG, count: 16 * 150 - 1_000 })
    expect(sumOf(kept)).toBe(16 * 150)
  }
})

test('what was counted as other before it came here stays other and takes no room', async () => {
  const tenantId = await insertTenant()
  await createUsageStore(pools[0]).write(flushOf(tenantId, [OTHER_TAG, ...makeTags(1_000)]))
  expect(await readTags(tenantId)).toHaveLength(1_001)
  expect((await readTags(tenantId))[0]).toEqual({ ...OTHER_TAG, count: 1 })
})

test('the longest tags fit, of any characters', async () => {
  const tenantId = await insertTenant()
  const longest = { name: '😀'.repeat(32), value: '漢'.repeat(128) }
  await createUsageStore(pools[0]).write(flushOf(tenantId, [longest]))
  expect(await readTags(tenantId)).toEqual([{ ...longest, count: 1 }])
})

test('of a tenant that was deleted meanwhile nothing is kept, and the others are counted', async () => {
  const [kept, deleted] = [await insertTenant(), await insertTenant()]
  await owner.query('DELETE FROM tenants WHERE id = $1', [deleted])
  const tags = [...flushOf(deleted, [ORDERS]).tags, ...flushOf(kept, [ORDERS]).tags]
  await createUsageStore(pools[0]).write({ ...flushOf(kept, []), tags })
  expect(await readTags(kept)).toEqual([{ ...ORDERS, count: 1 }])
  expect(await readTags(deleted)).toEqual([])
  const { rows } = await owner.query('SELECT FROM usage_tags WHERE tenant_id = $1', [deleted])
  expect(rows).toEqual([])
})

test('a tenant whose day is full waits for nobody, though it goes on bringing new tags', async () => {
  const tenantId = await insertTenant()
  const store = createUsageStore(pools[0])
  await store.write(flushOf(tenantId, makeTags(1_000)))
  const other = await owner.connect()
  try {
    await other.query('BEGIN')
    // All locks that a flush of new tags could take.
    await other.query('SELECT pg_advisory_xact_lock(7627111, lock) FROM generate_series(0, 255) AS lock')
    await store.write(flushOf(tenantId, [ORDERS]))
    const late = store.write(flushOf(tenantId, [ORDERS], { minute: MIDNIGHT }))
    const waits = Symbol()
    expect(await Promise.race([late, sleep(100, waits)])).toBe(waits)
    await other.query('ROLLBACK')
    await late
  } finally {
    other.release()
  }
  expect(sumOf(await readTags(tenantId))).toBe(1_001)
})
