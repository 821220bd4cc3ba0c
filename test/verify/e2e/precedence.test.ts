import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KeyConfig } from '../../../src/configs/effective-config.ts'
import type { VerdictCode } from '../../../src/verify/verdict-code.ts'
import { type PostgresFixture, startPostgresFixture } from './postgres-fixture.ts'
import { type KeyOptions, readCredits, readQuota, readRequestCount, seedKey, seedTenant } from './seeding.ts'
import { type SeededSigner, seedSigner, sign } from './signing.ts'

/** What makes a rule deny: in the key, in its configuration, or in the request. */
interface Fault {
  readonly tenantSuspendedAt?: number
  readonly key?: KeyOptions
  readonly config?: KeyConfig
  readonly request?: Record<string, unknown>
  readonly asStranger?: true
  /** In the signature of a signed request. */
  readonly signature?: 'forged' | 'old' | 'replayed'
}

/** In the order of the published contract. The clock of these tests stands on a Wednesday. */
const FAULTS: { readonly [Code in VerdictCode]?: Fault } = {
  NOT_FOUND: { asStranger: true },
  TENANT_SUSPENDED: { tenantSuspendedAt: 1 },
  REVOKED: { key: { revokedAt: 1 } },
  DISABLED: { key: { disabledAt: 1 } },
  EXPIRED: { key: { expiresAt: 1 } },
  SIGNATURE_INVALID: { signature: 'forged' },
  SIGNATURE_EXPIRED: { signature: 'old' },
  NONCE_REPLAYED: { signature: 'replayed' },
  ENVIRONMENT_MISMATCH: { request: { environment: 'TEST' } },
  IP_DENIED: { config: { ipAllowlist: ['192.0.2.0/24'] }, request: { ip: '198.51.100.7' } },
  USER_AGENT_DENIED: { config: { userAgents: ['orders-service/*'] }, request: { userAgent: 'curl/8' } },
  ORIGIN_DENIED: {
    config: { corsOrigins: ['https://app.example.com'] },
    request: { origin: 'https://evil.example.com' },
  },
  ENDPOINT_DENIED: {
    config: { methods: ['GET'], paths: ['/v1/**'] },
    request: { method: 'POST', path: '/v1/orders' },
  },
  OUTSIDE_TIME_WINDOW: {
    config: { timeWindows: [{ days: ['MON'], start: '09:00', end: '17:00', timeZone: 'UTC' }] },
  },
  INSUFFICIENT_SCOPE: { request: { scopes: ['orders:write'] } },
  RATE_LIMITED: { config: { perMinute: 0 } },
  QUOTA_EXCEEDED: { config: { perDay: 0 } },
  CREDITS_EXHAUSTED: { key: { credits: { amount: 0 } } },
}
const CASES = Object.entries(FAULTS)

let fixture: PostgresFixture
let stranger: string
beforeAll(async () => {
  fixture = await startPostgresFixture()
  const elsewhere = await seedTenant(fixture.query)
  stranger = (await seedKey(fixture.query, elsewhere, { scopes: ['keyward:verify'] })).token
})
afterAll(() => fixture.stop())

/** A key with these faults, and none besides. */
async function seedFaults(faults: readonly Fault[], base: KeyOptions = {}) {
  const suspendedAt = faults.find((fault) => fault.tenantSuspendedAt !== undefined)?.tenantSuspendedAt ?? null
  const tenantId = await seedTenant(fixture.query, { suspendedAt })
  const key: KeyOptions = Object.assign({}, base, ...faults.map((fault) => fault.key))
  const config: KeyConfig = Object.assign({}, base.config, ...faults.map((fault) => fault.config))
  const signer = await seedSigner(fixture.query, fixture.envelope, tenantId, { ...key, config })
  const usedUntil = new Date(fixture.clock.now() + 3_600_000)
  await fixture.query('INSERT INTO nonces VALUES ($1, $2, $3)', [signer.keyId, USED_NONCE, usedUntil])
  return signer
}

const USED_NONCE = 'used before'

/** Shows the token, or signs where the signature has a fault. */
function ask(key: SeededSigner, faults: readonly Fault[], rest: Record<string, unknown> = {}) {
  const request: Record<string, unknown> = Object.assign({}, rest, ...faults.map((fault) => fault.request))
  const signatures = new Set(faults.flatMap(({ signature }) => signature ?? []))
  const verifier = faults.some((fault) => fault.asStranger) ? { verifier: stranger } : {}
  if (signatures.size === 0) return fixture.client.ask({ key: key.token, ...request }, verifier)

  const { method, path, ...others } = request
  const signed = sign(key, {
    timestamp: Math.floor(fixture.clock.now() / 1000) - (signatures.has('old') ? 3_600 : 0),
    ...(signatures.has('replayed') && { nonce: USED_NONCE }),
    ...(typeof method === 'string' && { method }),
    ...(typeof path === 'string' && { path }),
  })
  const forged = signatures.has('forged') ? { signature: '0'.repeat(64) } : {}
  return fixture.client.ask({ ...signed, ...forged, ...others }, { ...verifier, path: '/verify/signature' })
}

const PAIRS = CASES.flatMap((first, index) => CASES.slice(index + 1).map((second) => [first, second] as const))

test(`of two rules that deny, the earlier is the answer: all ${PAIRS.length} pairs`, async () => {
  for (const [[first, firstFault], [second, secondFault]] of PAIRS) {
    const faults = [firstFault, secondFault]
    const { body } = await ask(await seedFaults(faults), faults)
    expect([body.valid, body.code], `${first} and ${second}`).toEqual([false, first])
  }
})

test('of all rules at once, each is the answer when those before it are mended', async () => {
  for (const [index, [code]] of CASES.entries()) {
    const faults = CASES.slice(index).map(([, fault]) => fault)
    expect((await ask(await seedFaults(faults), faults)).body.code).toBe(code)
  }
})

test.each(CASES)('a request that is denied with %s consumes no limit, no quota and no credit', async (code, fault) => {
  const limits = { perMinute: 100, perHour: 100, perDay: 100, perMonth: 100 }
  const key = await seedFaults([fault], { config: limits, credits: { amount: 100 } })
  const aggregate = { aggregate: limits }
  await fixture.query('UPDATE tenants SET config = $2 WHERE id = $1', [key.tenantId, aggregate])
  for (const cost of [1, 5, 1]) expect((await ask(key, [fault], { cost })).body.code).toBe(code)

  await fixture.dataPlane.flush()
  const counts = [key.keyId, key.tenantId].flatMap((id) => [
    readQuota(fixture.query, id, 'day'),
    readQuota(fixture.query, id, 'month'),
  ])
  expect(await Promise.all(counts)).toEqual([0, 0, 0, 0])
  expect(await readRequestCount(fixture.query, key.keyId)).toBe(code === 'NOT_FOUND' ? 0 : 3)
  const left = (await readCredits(fixture.query, key.keyId)) + fixture.dataPlane.limits.leasedCredits(key.keyId)
  expect(left).toBe(code === 'CREDITS_EXHAUSTED' ? 0 : 100)

  // Mended, the key has all of its limits left.
  await fixture.query('UPDATE tenants SET suspended_at = NULL WHERE id = $1', [key.tenantId])
  await fixture.query(
    'UPDATE api_keys SET revoked_at = NULL, disabled_at = NULL, expires_at = NULL, config = $2 WHERE id = $1',
    [key.keyId, limits],
  )
  await fixture.query('UPDATE api_key_credits SET remaining = 100, epoch = epoch + 1 WHERE api_key_id = $1', [
    key.keyId,
  ])
  fixture.dataPlane.cache.evictTenant(key.tenantId)
  fixture.dataPlane.limits.revokeLease(key.keyId)
  const { body } = await fixture.client.ask({ key: key.token })
  expect(body).toMatchObject({ code: 'VALID', credits: { remaining: 99 } })
  expect(body.limits).toHaveLength(8)
  expect(body.limits).toEqual(Array(8).fill(expect.objectContaining({ limit: 100, remaining: 99 })))
})
