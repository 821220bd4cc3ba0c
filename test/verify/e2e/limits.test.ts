import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LimitSettings } from '../../../src/configs/effective-config.ts'
import { startTestApp, type TestApp } from '../../harness/app.ts'
import { type Query, readCredits, readQuota, seedKey, seedTenant } from './seeding.ts'
import { createVerifyClient, times, type VerifyClient } from './verify-client.ts'

const masterKey = randomBytes(32)
let app: TestApp
let query: Query
let client: VerifyClient

beforeAll(async () => {
  app = await startTestApp({ masterKey })
  query = app.query
  client = createVerifyClient(app.baseUrl, app.firstStart.verifierToken)
})
afterAll(async () => {
  client.close()
  await app.stop()
})

interface Kind {
  readonly name: string
  readonly limitTo: (limit: number) => LimitSettings
  readonly code: string
}

/** The clock stands still in these tests, so that a window neither moves nor a bucket fills. */
const KINDS: readonly Kind[] = [
  { name: 'second', limitTo: (burst) => ({ perSecond: { ratePerSecond: 1, burst } }), code: 'RATE_LIMITED' },
  { name: 'minute', limitTo: (perMinute) => ({ perMinute }), code: 'RATE_LIMITED' },
  { name: 'hour', limitTo: (perHour) => ({ perHour }), code: 'RATE_LIMITED' },
  { name: 'day', limitTo: (perDay) => ({ perDay }), code: 'QUOTA_EXCEEDED' },
  { name: 'month', limitTo: (perMonth) => ({ perMonth }), code: 'QUOTA_EXCEEDED' },
]

describe.each(KINDS)('a limit of 10 per $name', ({ name, limitTo, code }) => {
  test('of a key admits exactly 10 of 1000 requests at once', async () => {
    const key = await seedKey(query, await seedTenant(query), { config: limitTo(10) })
    expect(await client.flood(times(1000, { key: key.token }))).toEqual({ VALID: 10, [code]: 990 })
    expect(await client.flood(times(10, { key: key.token }))).toEqual({ [code]: 10 })
  })

  test('of a tenant over all its keys admits exactly 10 of 1000 requests at once', async () => {
    const tenantId = await seedTenant(query, { config: { aggregate: limitTo(10) } })
    const keys = await Promise.all(Array.from({ length: 5 }, () => seedKey(query, tenantId)))
    const requests = keys.flatMap(({ token }) => times(200, { key: token }))
    expect(await client.flood(requests)).toEqual({ VALID: 10, [code]: 990 })
  })

  test('of each key and 15 of the tenant admit exactly 15 in all and no more than 10 of each key', async () => {
    const tenantId = await seedTenant(query, { config: { ...limitTo(10), aggregate: limitTo(15) } })
    const keys = await Promise.all([seedKey(query, tenantId), seedKey(query, tenantId)])
    const counts = await Promise.all(keys.map(({ token }) => client.flood(times(100, { key: token }))))
    const admitted = counts.map((count) => count.VALID ?? 0)
    expect(admitted.reduce((sum, count) => sum + count)).toBe(15)
    for (const count of admitted) expect(count).toBeLessThanOrEqual(10)
  })

  test('of the tenant consumes nothing of the limits and credits of a key that it denies', async () => {
    const config = { perMinute: 1000, perHour: 1000, perDay: 1000, perMonth: 1000 }
    const tenantId = await seedTenant(query, { config: { aggregate: limitTo(10) } })
    const key = await seedKey(query, tenantId, { config, credits: { amount: 1000 } })
    const other = await seedKey(query, tenantId)
    expect(await client.flood(times(4, { key: other.token }))).toEqual({ VALID: 4 })
    expect(await client.flood(times(300, { key: key.token }))).toEqual({ VALID: 6, [code]: 294 })
    const { body } = await client.ask({ key: key.token, cost: 1000 })
    expect(body.credits).toEqual({ remaining: 994 })
    // Of what is violated the key's own limits are shown too: each has 994 left.
    const shown = remainingOf(body.limits)
    expect(shown).toMatchObject({ 'key minute': 994, 'key hour': 994, 'key day': 994, 'key month': 994 })
    expect(shown[`tenant ${name}`]).toBe(0)
    await app.flushUsage()
    expect([await readQuota(query, key.keyId, 'day'), await readQuota(query, key.keyId, 'month')]).toEqual([6, 6])
  })
})

/** `key minute` → remaining. */
function remainingOf(limits: unknown): Record<string, number> {
  if (!Array.isArray(limits)) throw new Error('There are no limits.')
  return Object.fromEntries(limits.map(({ scope, name, remaining }) => [`${scope} ${name}`, remaining]))
}

describe('credits', () => {
  test('10 of them admit exactly 10 of 1000 requests at once', async () => {
    const key = await seedKey(query, await seedTenant(query), { credits: { amount: 10 } })
    expect(await client.flood(times(1000, { key: key.token }))).toEqual({ VALID: 10, CREDITS_EXHAUSTED: 990 })
    expect(await readCredits(query, key.keyId)).toBe(0)
  })

  test('1000 of them admit exactly 1000, in a few statements', async () => {
    const key = await seedKey(query, await seedTenant(query), { credits: { amount: 1000 } })
    const before = countLeases()
    expect(await client.flood(times(1200, { key: key.token }))).toEqual({ VALID: 1000, CREDITS_EXHAUSTED: 200 })
    expect(countLeases() - before).toBeLessThan(100)
  })

  test('a request that a limit denies spends none', async () => {
    const key = await seedKey(query, await seedTenant(query), { config: { perMinute: 10 }, credits: { amount: 100 } })
    expect(await client.flood(times(500, { key: key.token }))).toEqual({ VALID: 10, RATE_LIMITED: 490 })
    expect((await client.ask({ key: key.token })).body.credits).toEqual({ remaining: 90 })
  })

  test('a request that they deny consumes no limit and no quota', async () => {
    const config = { perHour: 100, perDay: 100 }
    const key = await seedKey(query, await seedTenant(query), { config, credits: { amount: 10 } })
    expect(await client.flood(times(500, { key: key.token }))).toEqual({ VALID: 10, CREDITS_EXHAUSTED: 490 })
    await query('UPDATE api_key_credits SET remaining = 5 WHERE api_key_id = $1', [key.keyId])
    app.clock.advance(1000)
    const { body } = await client.ask({ key: key.token })
    expect(body.code).toBe('VALID')
    expect(remainingOf(body.limits)).toEqual({ 'key hour': 89, 'key day': 89 })
  })

  test('two servers on one database spend each of them once', async () => {
    const key = await seedKey(query, await seedTenant(query), { credits: { amount: 100 } })
    const second = await startTestApp({ masterKey, database: app.database, clock: app.clock })
    const other = createVerifyClient(second.baseUrl, app.firstStart.verifierToken)
    const counts = await Promise.all([client, other].map((each) => each.flood(times(300, { key: key.token }))))
    const spent = (counts[0]?.VALID ?? 0) + (counts[1]?.VALID ?? 0)
    other.close()
    await second.stop()
    app.clock.advance(1000)
    const rest = await client.flood(times(300, { key: key.token }))
    expect(spent + (rest.VALID ?? 0)).toBe(100)
  })

  test('come back by their refill at midnight of the tenant, and the denial says when', async () => {
    const midnight = Date.parse('2026-03-04T23:00:00.000Z')
    const tenantId = await seedTenant(query, { timeZone: 'Europe/Berlin' })
    const key = await seedKey(query, tenantId, {
      credits: { amount: 2, refill: { amount: 3, every: 'DAY' }, refilledAt: app.clock.now() },
    })
    expect(await client.flood(times(5, { key: key.token }))).toEqual({ VALID: 2, CREDITS_EXHAUSTED: 3 })
    const { body, headers } = await client.ask({ key: key.token })
    const seconds = Math.ceil((midnight - app.clock.now()) / 1000)
    expect(body.retryAfterSeconds).toBe(seconds)
    expect(headers['retry-after']).toBe(String(seconds))
    app.clock.advance(midnight - app.clock.now())
    expect(await client.flood(times(5, { key: key.token }))).toEqual({ VALID: 3, CREDITS_EXHAUSTED: 2 })
  })

  function countLeases(): number {
    return app.statements.filter((sql) => sql.includes('api_key_credits')).length
  }
})

describe('the cost', () => {
  test('counts for every limit', async () => {
    const config = { perMinute: 10, perDay: 100 }
    const key = await seedKey(query, await seedTenant(query), { config, credits: { amount: 50 } })
    expect(await client.flood(times(20, { key: key.token, cost: 3 }))).toEqual({ VALID: 3, RATE_LIMITED: 17 })
    const { body } = await client.ask({ key: key.token })
    expect(remainingOf(body.limits)).toEqual({ 'key minute': 0, 'key day': 90 })
    expect(body.credits).toEqual({ remaining: 40 })
  })

  test('of 0 consumes nothing, and is denied where one unit would be', async () => {
    const config = { perMinute: 2, perDay: 100 }
    const key = await seedKey(query, await seedTenant(query), { config, credits: { amount: 50 } })
    expect(await client.flood(times(20, { key: key.token, cost: 0 }))).toEqual({ VALID: 20 })
    const { body } = await client.ask({ key: key.token, cost: 0 })
    expect(remainingOf(body.limits)).toEqual({ 'key minute': 2, 'key day': 100 })
    expect(body.credits).toEqual({ remaining: 50 })
    expect(await client.codeOf({ key: key.token, cost: 2 })).toBe('VALID')
    expect(await client.codeOf({ key: key.token, cost: 0 })).toBe('RATE_LIMITED')
  })

  test('above a limit can never fit, which the denial says', async () => {
    const key = await seedKey(query, await seedTenant(query), { config: { perMinute: 10 } })
    const { body, headers } = await client.ask({ key: key.token, cost: 11 })
    expect(body).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 60 })
    expect(body.detail).toContain('can never fit a cost of 11')
    expect(headers['retry-after']).toBe('60')
    expect(await client.codeOf({ key: key.token, cost: 10 })).toBe('VALID')
  })

  test.each(KINDS)('a limit of 0 per $name blocks every request, also one of cost 0', async ({ limitTo, code }) => {
    const blocking =
      code === 'RATE_LIMITED' && 'perSecond' in limitTo(0) ? { perSecond: { ratePerSecond: 0, burst: 0 } } : limitTo(0)
    const key = await seedKey(query, await seedTenant(query), { config: blocking })
    for (const cost of [0, 1]) {
      const { body, headers } = await client.ask({ key: key.token, cost })
      expect(body.code).toBe(code)
      expect(body.detail).toContain('blocks every request')
      expect(body.retryAfterSeconds).toBeGreaterThanOrEqual(1)
      expect(headers['retry-after']).toBe(String(body.retryAfterSeconds))
    }
  })
})

describe('what an answer says of limits', () => {
  test('all of them in an admission, of the key before those of the tenant, in body and headers', async () => {
    app.clock.set('2026-04-10T10:00:00.000Z')
    const config = { perSecond: { ratePerSecond: 5, burst: 20 }, perMinute: 100, perHour: 1000, perDay: 5000 }
    const tenantId = await seedTenant(query, { config: { ...config, aggregate: { perMinute: 300, perMonth: 9000 } } })
    const { token } = await seedKey(query, tenantId)
    const { body, headers } = await client.ask({ key: token, cost: 10 })
    expect(body.limits).toEqual([
      { name: 'second', scope: 'key', limit: 20, remaining: 10, resetSeconds: 1 },
      { name: 'minute', scope: 'key', limit: 100, remaining: 90, resetSeconds: 60 },
      { name: 'hour', scope: 'key', limit: 1000, remaining: 990, resetSeconds: 3600 },
      { name: 'day', scope: 'key', limit: 5000, remaining: 4990, resetSeconds: 14 * 3600 },
      { name: 'minute', scope: 'tenant', limit: 300, remaining: 290, resetSeconds: 60 },
      { name: 'month', scope: 'tenant', limit: 9000, remaining: 8990, resetSeconds: 20 * 86_400 + 14 * 3600 },
    ])
    expect(headers['ratelimit-policy']).toBe(
      '"second";q=20;w=4, "minute";q=100;w=60, "hour";q=1000;w=3600, "day";q=5000;w=86400, "tenant-minute";q=300;w=60, "tenant-month";q=9000;w=2592000',
    )
    expect(headers.ratelimit).toBe(
      '"second";r=10;t=1, "minute";r=90;t=60, "hour";r=990;t=3600, "day";r=4990;t=50400, "tenant-minute";r=290;t=60, "tenant-month";r=8990;t=1778400',
    )
    expect(headers['retry-after']).toBeUndefined()
    expect(body).not.toHaveProperty('retryAfterSeconds')
  })

  test('those that are violated in a denial, with the time after which the same request fits', async () => {
    const { token } = await seedKey(query, await seedTenant(query), { config: { perMinute: 10, perHour: 1000 } })
    expect(await client.codeOf({ key: token, cost: 4 })).toBe('VALID')
    app.clock.advance(20_000)
    expect(await client.codeOf({ key: token, cost: 6 })).toBe('VALID')
    app.clock.advance(10_500)
    const { status, body, headers } = await client.ask({ key: token, cost: 5 })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      valid: false,
      code: 'RATE_LIMITED',
      detail: 'The limit of 10 per minute is reached.',
      retryAfterSeconds: 50,
      limits: [{ name: 'minute', scope: 'key', limit: 10, remaining: 0, resetSeconds: 30 }],
    })
    expect(headers).toMatchObject({
      'ratelimit-policy': '"minute";q=10;w=60',
      ratelimit: '"minute";r=0;t=30',
      'retry-after': '50',
    })
    app.clock.advance(49_500)
    expect(await client.codeOf({ key: token, cost: 5 })).toBe('VALID')
  })

  test('all of them in a denial by credits, which none of them is to blame for', async () => {
    const config = { perMinute: 10, perHour: 100 }
    const { token } = await seedKey(query, await seedTenant(query), { config, credits: { amount: 2 } })
    expect(await client.codeOf({ key: token, cost: 2 })).toBe('VALID')
    app.clock.advance(20_000)
    const { body, headers } = await client.ask({ key: token })
    expect(body).toMatchObject({ code: 'CREDITS_EXHAUSTED', credits: { remaining: 0 } })
    expect(remainingOf(body.limits)).toEqual({ 'key minute': 8, 'key hour': 98 })
    expect(headers).toMatchObject({
      'ratelimit-policy': '"minute";q=10;w=60, "hour";q=100;w=3600',
      ratelimit: '"minute";r=8;t=40, "hour";r=98;t=3580',
    })
    expect(headers).not.toHaveProperty('retry-after')
  })

  test('Retry-After is at least 1, also a moment before the limit has room again', async () => {
    const { token } = await seedKey(query, await seedTenant(query), { config: { perMinute: 1 } })
    expect(await client.codeOf({ key: token })).toBe('VALID')
    app.clock.advance(59_999)
    const { body, headers } = await client.ask({ key: token })
    expect([body.code, body.retryAfterSeconds, headers['retry-after']]).toEqual(['RATE_LIMITED', 1, '1'])
    app.clock.advance(1)
    expect(await client.codeOf({ key: token })).toBe('VALID')
  })

  test('nothing where nothing is limited, and no header', async () => {
    const { token } = await seedKey(query, await seedTenant(query))
    const { body, headers } = await client.ask({ key: token })
    expect(body).toMatchObject({ code: 'VALID', limits: [], credits: null })
    for (const name of ['ratelimit', 'ratelimit-policy', 'retry-after']) expect(headers).not.toHaveProperty(name)
  })

  test('a limit of -1 is unlimited, whatever the tenant sets', async () => {
    const tenantId = await seedTenant(query, { config: { perMinute: 1 } })
    const { token } = await seedKey(query, tenantId, { config: { perMinute: -1 } })
    expect(await client.flood(times(50, { key: token }))).toEqual({ VALID: 50 })
  })
})
