import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TenantConfig } from '../../../src/configs/effective-config.ts'
import { isJsonRoute } from '../../../src/http/json-route.ts'
import { newToken } from '../key-records.ts'
import { type PostgresFixture, startPostgresFixture } from './postgres-fixture.ts'
import { seedKey, seedTenant } from './seeding.ts'
import { times } from './verify-client.ts'

/** Every kind of rule at once. */
const EVERYTHING: TenantConfig = {
  perSecond: { ratePerSecond: 100_000, burst: 100_000 },
  perMinute: 1_000_000,
  perHour: 1_000_000,
  perDay: 1_000_000,
  perMonth: 1_000_000,
  aggregate: { perMinute: 1_000_000, perDay: 1_000_000, perMonth: 1_000_000 },
  ipAllowlist: ['192.0.2.0/24'],
  userAgents: ['orders/*'],
  methods: ['GET'],
  paths: ['/v1/**'],
}
const REQUEST = { ip: '192.0.2.7', userAgent: 'orders/1.0', method: 'GET', path: '/v1/orders', scopes: ['orders:read'] }

let fixture: PostgresFixture
/** Nothing is flushed in it but when a test says so: every statement is that of a verification. */
beforeAll(async () => {
  fixture = await startPostgresFixture()
  // The verifier is in memory from here on.
  await fixture.client.ask({ key: newToken() })
})
afterAll(() => fixture.stop())
beforeEach(() => {
  fixture.statements.length = 0
})

async function seedEverything() {
  const tenantId = await seedTenant(fixture.query, { config: EVERYTHING })
  return seedKey(fixture.query, tenantId, { scopes: ['orders:*'] })
}

describe('the number of statements', () => {
  test('of a verification is 1 when the key is cold and 0 when it is warm, also with every rule, limit and quota', async () => {
    const { token } = await seedEverything()
    expect(await fixture.client.codeOf({ key: token, ...REQUEST })).toBe('VALID')
    expect(fixture.statements).toHaveLength(1)
    expect(await fixture.client.flood(times(200, { key: token, ...REQUEST }))).toEqual({ VALID: 200 })
    expect(fixture.statements).toHaveLength(1)
  })

  test('of 1000 cold requests for one key at once is 1', async () => {
    const { token } = await seedEverything()
    expect(await fixture.client.flood(times(1000, { key: token, ...REQUEST }))).toEqual({ VALID: 1000 })
    expect(fixture.statements).toHaveLength(1)
  })

  test('of a key with credits is one more for a lease, and none while the lease lasts', async () => {
    const { token } = await seedKey(fixture.query, await seedTenant(fixture.query), { credits: { amount: 1_000_000 } })
    expect(await fixture.client.codeOf({ key: token })).toBe('VALID')
    expect(fixture.statements).toHaveLength(2)
    // The first lease was taken without knowing what is there; the second one knows.
    expect(await fixture.client.codeOf({ key: token })).toBe('VALID')
    const warm = fixture.statements.length
    for (let turn = 0; turn < 4; turn++) expect(await fixture.client.codeOf({ key: token })).toBe('VALID')
    expect(fixture.statements).toHaveLength(warm)
  })

  test('of 1000 cold requests for one key with credits is far below the number of requests', async () => {
    const { token } = await seedKey(fixture.query, await seedTenant(fixture.query), { credits: { amount: 1_000_000 } })
    expect(await fixture.client.flood(times(1000, { key: token }))).toEqual({ VALID: 1000 })
    expect(fixture.statements.length).toBeLessThan(30)
  })

  test('of a verifier is 1 when it is cold and 0 when it is warm', async () => {
    const tenantId = await seedTenant(fixture.query)
    const verifier = await seedKey(fixture.query, tenantId, { scopes: ['keyward:verify'] })
    const { token } = await seedKey(fixture.query, tenantId)
    const bodies = times(100, { key: token })
    expect(await fixture.client.flood(bodies, { verifier: verifier.token })).toEqual({ VALID: 100 })
    expect(await fixture.client.flood(bodies, { verifier: verifier.token })).toEqual({ VALID: 100 })
    expect(fixture.statements).toHaveLength(2)
  })

  test('of an entry that grew old is 1 behind the answer, however many ask', async () => {
    const { token } = await seedEverything()
    await fixture.client.codeOf({ key: token, ...REQUEST })
    fixture.clock.advance(50_000)
    expect(await fixture.client.flood(times(100, { key: token, ...REQUEST }))).toEqual({ VALID: 100 })
    await expect.poll(() => fixture.dataPlane.cache.stats.readsUnderWay).toBe(0)
    // The verifier's own entry grew as old.
    expect(fixture.statements).toHaveLength(3)
  })

  test('of a flush does not grow with the number of verifications', async () => {
    const { token } = await seedEverything()
    await fixture.client.flood(times(300, { key: token, ...REQUEST }))
    fixture.statements.length = 0
    await fixture.dataPlane.flush()
    expect(fixture.statements.length).toBeLessThanOrEqual(12)
    fixture.statements.length = 0
    await fixture.dataPlane.flush()
    expect(fixture.statements).toEqual([])
  })
})

/** What came back when the last byte of a request was taken in: null when the answer was still to come. */
function answerAtOnce(body: Record<string, unknown>, verifier: string): unknown {
  const route = fixture.dataPlane.routes.find(({ path }) => path === '/verify')
  if (route === undefined || !isJsonRoute(route)) throw new Error('There is no such route.')
  const headers = { authorization: `Bearer ${verifier}` }
  const bytes = Buffer.from(JSON.stringify(body))
  const answer = route.answerWhole({ headers, socket: {}, requestId: 'the-id', bytes, bodyStart: 0 })
  return answer instanceof Promise ? null : JSON.parse(answer.body)
}

describe('a warm verification', () => {
  test('is answered before its last byte is taken in: nothing is waited for, with every rule, limit, quota and credits', async () => {
    const tenantId = await seedTenant(fixture.query, { config: EVERYTHING })
    const key = await seedKey(fixture.query, tenantId, { scopes: ['orders:*'], credits: { amount: 1_000 } })
    const verifier = await seedKey(fixture.query, tenantId, { scopes: ['keyward:verify'], config: { ipAllowlist: [] } })
    const request = { key: key.token, ...REQUEST }
    expect(answerAtOnce(request, verifier.token)).toBeNull()
    // The first lease is what was asked for; the second one has a reserve.
    for (let turn = 0; turn < 2; turn++) await fixture.client.codeOf(request, { verifier: verifier.token })
    fixture.statements.length = 0
    expect(answerAtOnce(request, verifier.token)).toMatchObject({ valid: true, code: 'VALID' })
    expect(answerAtOnce({ ...request, ip: '10.0.0.1' }, verifier.token)).toMatchObject({ code: 'IP_DENIED' })
    expect(answerAtOnce({ ...request, cost: 2_000_000 }, verifier.token)).toMatchObject({ code: 'RATE_LIMITED' })
    expect(fixture.statements).toEqual([])
  })
})
