import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SystemConfig, TenantConfig } from '../../../src/configs/effective-config.ts'
import { type PostgresFixture, startPostgresFixture } from './postgres-fixture.ts'
import { type SeededKey, seedKey, seedTenant } from './seeding.ts'
import { times } from './verify-client.ts'

const SYSTEM: SystemConfig = { perMinute: 100 }
const TENANT: TenantConfig = { perMinute: 500, corsOrigins: ['https://app.example.com'] }
const ORIGIN = 'https://app.example.com'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await startPostgresFixture(() => ({ systemConfig: SYSTEM }))
})
afterAll(() => fixture.stop())

/** Units at a time, so that a limit of 1000 takes no 1000 requests. */
function flood({ token }: SeededKey, requests: number, cost: number) {
  return fixture.client.flood(times(requests, { key: token, cost, origin: ORIGIN }))
}

async function limitsOf({ token }: SeededKey): Promise<unknown> {
  return (await fixture.client.ask({ key: token, cost: 0, origin: ORIGIN })).body.limits
}

test('system 100, tenant 500 with CORS origins, key A 1000: A gets 1000 and the origins, B gets 500', async () => {
  const tenantId = await seedTenant(fixture.query, { config: TENANT })
  const keyA = await seedKey(fixture.query, tenantId, { config: { perMinute: 1000 } })
  const keyB = await seedKey(fixture.query, tenantId)
  const elsewhere = await seedKey(fixture.query, await seedTenant(fixture.query))

  expect(await flood(keyA, 150, 10)).toEqual({ VALID: 100, RATE_LIMITED: 50 })
  expect(await flood(keyB, 150, 10)).toEqual({ VALID: 50, RATE_LIMITED: 100 })
  expect(await flood(elsewhere, 50, 10)).toEqual({ VALID: 10, RATE_LIMITED: 40 })
  for (const { token } of [keyA, keyB]) {
    const request = { key: token, origin: 'https://evil.example.com' }
    expect(await fixture.client.codeOf(request)).toBe('ORIGIN_DENIED')
  }
})

test('with 1200 for the tenant over all its keys, A and B together get 1200', async () => {
  const config = { ...TENANT, aggregate: { perMinute: 1200 } }
  const tenantId = await seedTenant(fixture.query, { config })
  const keyA = await seedKey(fixture.query, tenantId, { config: { perMinute: 1000 } })
  const keyB = await seedKey(fixture.query, tenantId)
  const [a, b] = await Promise.all([flood(keyA, 200, 10), flood(keyB, 200, 10)])
  expect((a.VALID ?? 0) + (b.VALID ?? 0)).toBe(120)
  expect(a.VALID).toBeLessThanOrEqual(100)
  expect(b.VALID).toBeLessThanOrEqual(50)
})

test('a change takes effect with the eviction, and what was counted stays', async () => {
  const tenantId = await seedTenant(fixture.query, { config: { perMinute: 50 } })
  const key = await seedKey(fixture.query, tenantId)
  expect(await flood(key, 60, 1)).toEqual({ VALID: 50, RATE_LIMITED: 10 })
  await fixture.query('UPDATE tenants SET config = $2 WHERE id = $1', [tenantId, { perMinute: 80 }])
  fixture.dataPlane.cache.evictTenant(tenantId)
  expect(await limitsOf(key)).toMatchObject([{ name: 'minute', limit: 80, remaining: 30 }])
  await fixture.query('UPDATE api_keys SET config = $2 WHERE id = $1', [key.keyId, { perMinute: 20 }])
  fixture.dataPlane.cache.evictKey(key.keyId)
  expect(await flood(key, 5, 1)).toEqual({ RATE_LIMITED: 5 })
})

test('what a tenant denies no key can allow, and what a key denies adds to it', async () => {
  const tenantId = await seedTenant(fixture.query, { config: { ipDenylist: ['10.0.0.0/8'] } })
  const key = await seedKey(fixture.query, tenantId, {
    config: { ipDenylist: ['192.0.2.1'], ipAllowlist: ['0.0.0.0/0'] },
  })
  const codeFrom = (ip: string) => fixture.client.codeOf({ key: key.token, ip })
  expect(await codeFrom('10.1.2.3')).toBe('IP_DENIED')
  expect(await codeFrom('::ffff:10.1.2.3')).toBe('IP_DENIED')
  expect(await codeFrom('192.0.2.1')).toBe('IP_DENIED')
  expect(await codeFrom('192.0.2.2')).toBe('VALID')
  expect(await fixture.client.codeOf({ key: key.token })).toBe('IP_DENIED')
})
