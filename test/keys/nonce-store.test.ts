import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { APP_ROLE } from '../../src/db/embedded/bootstrap.ts'
import { createPool, type DatabasePool, type PoolOptions } from '../../src/db/pool.ts'
import { createNonceStore, purgeNonces } from '../../src/keys/nonce-store.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'
import { nonceStoreContract } from '../verify/signature/nonce-store-contract.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})

afterAll(() => database.drop())

function makePool(options: Partial<PoolOptions> = {}): DatabasePool {
  return createPool({ url: database.url, log: pino({ level: 'silent' }), ...options })
}

const NO_FAILURES = (error: unknown): never => {
  throw error
}

nonceStoreContract('PostgreSQL', async () => {
  const pools = [makePool(), makePool()] as const
  const stores = [
    createNonceStore({ pool: pools[0], onPurgeFailure: NO_FAILURES }),
    createNonceStore({ pool: pools[1], onPurgeFailure: NO_FAILURES }),
  ] as const
  return {
    stores: [stores[0], stores[1]],
    async close() {
      await Promise.all(stores.map((store) => store.settle()))
      await Promise.all(pools.map((pool) => pool.end()))
    },
  }
})

describe('nonces in PostgreSQL', () => {
  function usePool(options: Partial<PoolOptions> = {}): DatabasePool {
    const pool = makePool(options)
    onTestFinished(() => pool.end())
    return pool
  }

  /** Behind the clock of the database, as it is with a server whose clock is not ahead. */
  const NOW = Date.parse('2025-11-21T10:00:00Z')
  const MINUTE_MS = 60_000

  test('a restart does not forget what was accepted', async () => {
    const claim = { keyId: randomUUID(), nonce: 'n', expiresAt: NOW + MINUTE_MS, now: NOW }
    const before = makePool()
    const store = createNonceStore({ pool: before, onPurgeFailure: NO_FAILURES })
    expect(await store.claim(claim)).toBe(true)
    await store.settle()
    await before.end()
    const after = createNonceStore({ pool: usePool(), onPurgeFailure: NO_FAILURES })
    expect(await after.claim(claim)).toBe(false)
    await after.settle()
  })

  test('a claim is one statement', async () => {
    const statements: string[] = []
    const pool = usePool({ onStatement: (sql) => statements.push(sql) })
    const store = createNonceStore({ pool, onPurgeFailure: NO_FAILURES })
    const claim = { keyId: randomUUID(), expiresAt: NOW + MINUTE_MS, now: NOW }
    await store.claim({ ...claim, nonce: 'first' })
    await store.settle()
    statements.length = 0
    await store.claim({ ...claim, nonce: 'second' })
    await store.claim({ ...claim, nonce: 'second' })
    await store.settle()
    expect(statements).toHaveLength(2)
  })

  async function insert(pool: DatabasePool, keyId: string, expiries: readonly number[]): Promise<void> {
    await pool.query(
      `INSERT INTO nonces (api_key_id, nonce, expires_at)
       SELECT $1, 'n' || row_number() OVER (), at FROM unnest($2::timestamptz[]) AS at`,
      [keyId, expiries.map((expiry) => new Date(expiry))],
    )
  }

  async function count(pool: DatabasePool, keyId: string): Promise<number> {
    const { rows } = await pool.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM nonces WHERE api_key_id = $1',
      [keyId],
    )
    return rows[0]?.count ?? 0
  }

  test('what expired long enough ago is cleared away, all of it, and nothing else', async () => {
    const pool = usePool()
    const keyId = randomUUID()
    const gone = Array.from({ length: 2_500 }, (_, i) => NOW - 11 * MINUTE_MS - i)
    await insert(pool, keyId, [...gone, NOW - 9 * MINUTE_MS, NOW, NOW + MINUTE_MS])
    expect(await purgeNonces(pool, NOW)).toBeGreaterThanOrEqual(2_500)
    expect(await count(pool, keyId)).toBe(3)
  })

  test('a clock that runs ahead of that of the database clears nothing away that the database still needs', async () => {
    const pool = usePool()
    const keyId = randomUUID()
    await insert(pool, keyId, [Date.now() + MINUTE_MS])
    await purgeNonces(pool, Date.now() + 10 * 365 * 86_400_000)
    expect(await count(pool, keyId)).toBe(1)
  })

  test('claims clear the table now and then, not each time', async () => {
    const pool = usePool()
    const keyId = randomUUID()
    const store = createNonceStore({ pool, onPurgeFailure: NO_FAILURES })
    const claimAt = async (now: number) => {
      await store.claim({ keyId: randomUUID(), nonce: 'n', expiresAt: now + MINUTE_MS, now })
      await store.settle()
    }
    await insert(pool, keyId, [NOW - 60 * MINUTE_MS])
    await claimAt(NOW)
    expect(await count(pool, keyId)).toBe(0)
    await insert(pool, keyId, [NOW - 60 * MINUTE_MS])
    await claimAt(NOW + MINUTE_MS - 1)
    expect(await count(pool, keyId)).toBe(1)
    await claimAt(NOW + MINUTE_MS)
    expect(await count(pool, keyId)).toBe(0)
  })

  test('two servers clear the table at once without waiting for each other', async () => {
    const pools = [usePool(), usePool()]
    const keyId = randomUUID()
    await insert(
      usePool(),
      keyId,
      Array.from({ length: 3_000 }, (_, i) => NOW - 60 * MINUTE_MS - i),
    )
    await Promise.all(pools.map((pool) => purgeNonces(pool, NOW)))
    await purgeNonces(usePool(), NOW)
    expect(await count(usePool(), keyId)).toBe(0)
  })

  test('without the database nothing is accepted, and nothing is called replayed: the claim is unavailable', async () => {
    const url = new URL(database.url)
    url.searchParams.delete('host')
    url.host = '127.0.0.1:1'
    const pool = usePool({ url: url.href, acquireTimeoutMs: 1_000 })
    const store = createNonceStore({ pool, onPurgeFailure: NO_FAILURES })
    const claim = { keyId: randomUUID(), nonce: 'n', expiresAt: NOW + MINUTE_MS, now: NOW }
    await expect(store.claim(claim)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 1 })
  })

  test('a table that cannot be cleared is reported, and claims go on', async () => {
    const owner = new pg.Client({ connectionString: database.ownerUrl })
    await owner.connect()
    await owner.query(`REVOKE DELETE ON nonces FROM ${APP_ROLE}`)
    onTestFinished(async () => {
      await owner.query(`GRANT DELETE ON nonces TO ${APP_ROLE}`)
      await owner.end()
    })
    const failures: unknown[] = []
    const store = createNonceStore({ pool: usePool(), onPurgeFailure: (error) => failures.push(error) })
    const claim = { keyId: randomUUID(), nonce: 'n', expiresAt: NOW + MINUTE_MS, now: NOW }
    expect(await store.claim(claim)).toBe(true)
    await store.settle()
    expect(failures).toMatchObject([{ code: '42501' }])
    expect(await store.claim(claim)).toBe(false)
  })
})
