import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createUsageStore } from '../../src/usage/usage-store.ts'
import type { UsageFlush } from '../../src/verify/ports.ts'
import { createStoreDatabase, type StoreDatabase } from '../harness/store-database.ts'

const TENANT = randomUUID()
const NOON = Date.parse('2026-03-04T12:00:00.000Z')
let database: StoreDatabase
let owner: pg.Pool
let pool: pg.Pool

beforeAll(async () => {
  database = await createStoreDatabase()
  owner = database.owner
  pool = database.openPool()
  await owner.query(
    `INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at) VALUES ($1, 'acme', 'acme', 'acme', now(), now())`,
    [TENANT],
  )
})

afterAll(() => database.drop())

async function insertKey(): Promise<string> {
  const keyId = randomUUID()
  await owner.query(
    `INSERT INTO api_keys (id, tenant_id, name, environment, created_at, updated_at) VALUES ($1, $2, 'key ' || $1::uuid, 'TEST', now(), now())`,
    [keyId, TENANT],
  )
  return keyId
}

function flushOf(
  keyIds: readonly string[],
  requestCount: number,
  lastUsedAt = NOON,
  lastUsedIp: string | null = null,
): UsageFlush {
  return {
    id: randomUUID(),
    keys: keyIds.map((keyId) => ({ keyId, tenantId: TENANT, requestCount, lastUsedAt, lastUsedIp })),
    minutes: keyIds.map((keyId) => ({ keyId, tenantId: TENANT, minute: NOON, code: 'VALID', count: requestCount })),
    tags: [],
    secrets: [],
  }
}

async function readUsage(keyId: string): Promise<unknown> {
  const { rows } = await owner.query(
    'SELECT request_count::int AS count, last_used_at AS at, last_used_ip AS ip FROM api_key_usage WHERE api_key_id = $1',
    [keyId],
  )
  return rows[0]
}

async function readMinutes(keyId: string): Promise<number> {
  const { rows } = await owner.query('SELECT sum(count)::int AS sum FROM usage_minutes WHERE api_key_id = $1', [keyId])
  return rows[0]?.sum ?? 0
}

test('a flush that is written again adds nothing, also when both are under way at once', async () => {
  const keyId = await insertKey()
  const store = createUsageStore(pool)
  const flush = flushOf([keyId], 3)
  await Promise.all([store.write(flush), store.write(flush), store.write(flush)])
  await store.write(flush)
  expect(await readUsage(keyId)).toMatchObject({ count: 3 })
  expect(await readMinutes(keyId)).toBe(3)
})

test('flushes add up, and an older one does not take back the time of the last use', async () => {
  const keyId = await insertKey()
  const store = createUsageStore(pool)
  await store.write(flushOf([keyId], 1, NOON, '10.0.0.1'))
  await store.write(flushOf([keyId], 2, NOON - 5_000, '10.0.0.2'))
  expect(await readUsage(keyId)).toEqual({ count: 3, at: new Date(NOON), ip: '10.0.0.1' })
  await store.write(flushOf([keyId], 4, NOON + 5_000))
  expect(await readUsage(keyId)).toEqual({ count: 7, at: new Date(NOON + 5_000), ip: '10.0.0.1' })
})

test('a key that was deleted meanwhile does not keep the others from being counted', async () => {
  const [kept, deleted] = [await insertKey(), await insertKey()]
  await owner.query('DELETE FROM api_keys WHERE id = $1', [deleted])
  await createUsageStore(pool).write(flushOf([deleted, kept], 2))
  expect(await readUsage(kept)).toMatchObject({ count: 2 })
  expect(await readUsage(deleted)).toBeUndefined()
  expect(await readMinutes(deleted)).toBe(2)
})

test('a flush that fails in the middle adds nothing, and can be written again', async () => {
  const keyId = await insertKey()
  const store = createUsageStore(pool)
  const flush = flushOf([keyId], 2)
  await expect(
    store.write({ ...flush, minutes: [...flush.minutes, ...flushOf(['no id'], 1).minutes] }),
  ).rejects.toThrow()
  expect(await readUsage(keyId)).toBeUndefined()
  await store.write(flush)
  expect(await readUsage(keyId)).toMatchObject({ count: 2 })
})

test('flushes of many keys in opposite orders do not lock each other out', async () => {
  const keyIds = await Promise.all(Array.from({ length: 50 }, insertKey))
  const store = createUsageStore(pool)
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => store.write(flushOf(index % 2 === 0 ? keyIds : keyIds.toReversed(), 1))),
  )
  for (const keyId of keyIds) expect(await readUsage(keyId)).toMatchObject({ count: 20 })
})
