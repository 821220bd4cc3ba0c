import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KeyConfig, TenantConfig } from '../../../src/configs/effective-config.ts'
import type { KeyRecord } from '../../../src/verify/ports.ts'
import { keyRecord, newToken } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { askForward } from '../routes/forward-client.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'

const INSIDE = '192.0.2.1'
const OUTSIDE = '198.51.100.1'
const ALLOWED = { ipAllowlist: ['192.0.2.0/24'] }
/** The clock of the fixture stands on a Wednesday. */
const ON_MONDAYS = {
  timeWindows: [{ days: ['MON'], start: '00:00', end: '00:00', timeZone: 'UTC' }],
} satisfies KeyConfig

let fixture: VerifyFixture
let key: string
let activated: string[]

beforeAll(async () => {
  activated = []
  fixture = await startVerifyFixture(createMemoryBacking(), {
    trustedProxies: ['127.0.0.1'],
    secretActivator: { activate: async ({ secretId }) => void activated.push(secretId) },
  })
  key = newToken()
  await fixture.put(key, keyRecord())
})
afterAll(() => fixture.stop())

async function putVerifier(config: KeyConfig, overrides: Partial<KeyRecord> = {}): Promise<string> {
  const token = newToken()
  await fixture.put(token, keyRecord({ scopes: ['keyward:verify'], config, ...overrides }))
  return token
}

/** Asks as the verifier, from the address. */
async function ask(verifier: string, ip: string, path = '/verify', body: object = { key }, headers: object = {}) {
  const response = await fetch(fixture.baseUrl + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${verifier}`,
      'content-type': 'application/json',
      'x-forwarded-for': ip,
      ...headers,
    },
    body: JSON.stringify(body),
  })
  const { code, detail } = JSON.parse(await response.text()) as Record<string, unknown>
  return { status: response.status, code, detail }
}

const IN = { status: 200, code: 'VALID' }
const OUT = { status: 403, code: 'FORBIDDEN' }

describe('a verifier', () => {
  test('may ask from the addresses that its key allows and from no others, and is told so', async () => {
    const verifier = await putVerifier(ALLOWED)
    for (let turn = 0; turn < 2; turn++) {
      expect(await ask(verifier, OUTSIDE)).toEqual({
        ...OUT,
        detail: expect.stringContaining("not in the key's IP allowlist"),
      })
      expect(await ask(verifier, INSIDE)).toMatchObject(IN)
    }
  })

  test('may not ask from an address that its key or its tenant denies', async () => {
    const tenantConfig: TenantConfig = { ipDenylist: [OUTSIDE] }
    const verifier = await putVerifier({ ipDenylist: ['203.0.113.0/24'] }, { tenantConfig })
    expect(await ask(verifier, OUTSIDE)).toMatchObject(OUT)
    expect(await ask(verifier, '203.0.113.9')).toMatchObject(OUT)
    expect(await ask(verifier, INSIDE)).toMatchObject(IN)
  })

  test('is held to the addresses of its tenant unless it has its own', async () => {
    const tenantConfig: TenantConfig = ALLOWED
    expect(await ask(await putVerifier({}, { tenantConfig }), OUTSIDE)).toMatchObject(OUT)
    expect(await ask(await putVerifier({ ipAllowlist: [] }, { tenantConfig }), OUTSIDE)).toMatchObject(IN)
  })

  test('whose address is not known is denied by a rule about addresses', async () => {
    const verifier = await putVerifier({ ipAllowlist: ['127.0.0.0/8'] })
    expect(await ask(verifier, 'unknown, 127.0.0.1')).toMatchObject(OUT)
    expect(await ask(verifier, '')).toMatchObject(IN)
  })

  test('may ask in its time windows alone', async () => {
    const verifier = await putVerifier(ON_MONDAYS)
    expect(await ask(verifier, INSIDE)).toEqual({ ...OUT, detail: expect.stringContaining('time window') })
    fixture.clock.advance(5 * 86_400_000)
    expect(await ask(verifier, INSIDE)).toMatchObject(IN)
    fixture.clock.advance(-5 * 86_400_000)
  })

  test.each([
    ['/verify/batch', { verifications: [{ key: 'x' }] }],
    ['/verify/signature', {}],
  ])('that may not ask here may not ask %s either', async (path, body) => {
    const verifier = await putVerifier(ALLOWED)
    expect(await ask(verifier, OUTSIDE, path, body)).toMatchObject(OUT)
    expect(await ask(verifier, INSIDE, path, body)).not.toMatchObject(OUT)
  })

  test('is refused the same by the server that takes what is no plain request', async () => {
    const verifier = await putVerifier(ALLOWED)
    const headers = { 'content-type': 'application/json; charset=utf-8' }
    expect(await ask(verifier, OUTSIDE, '/verify', { key }, headers)).toMatchObject(OUT)
    expect(await ask(verifier, INSIDE, '/verify', { key }, headers)).toMatchObject(IN)
  })

  test('that may not ask from there is not counted as a stranger', async () => {
    const verifier = await putVerifier(ALLOWED)
    for (let turn = 0; turn < 100; turn++) expect(await ask(verifier, OUTSIDE)).toMatchObject(OUT)
    expect(await ask(newToken('kw'), OUTSIDE)).toMatchObject({ status: 401 })
  })

  test('does not begin to use a new token from where it may not', async () => {
    const secret = { secretId: 'waiting', activatedAt: null, retiresAt: null }
    const verifier = await putVerifier(ALLOWED, { secret })
    expect(await ask(verifier, OUTSIDE)).toMatchObject(OUT)
    expect(activated).toEqual([])
    expect(await ask(verifier, INSIDE)).toMatchObject(IN)
    expect(activated).toEqual(['waiting'])
  })

  test('is not held to what its key says of agents, origins, methods, paths and limits', async () => {
    const verifier = await putVerifier({
      userAgents: ['orders/*'],
      corsOrigins: ['https://app.example.com'],
      methods: ['GET'],
      paths: ['/v1/**'],
      perMinute: 1,
      perDay: 1,
    })
    for (let turn = 0; turn < 3; turn++) {
      expect(await ask(verifier, OUTSIDE, '/verify', { key }, { origin: 'https://evil.example.com' })).toMatchObject(IN)
    }
  })
})

describe('a proxy that asks about a request of somebody else', () => {
  const forward = async (verifier: string) => {
    const headers = { 'X-API-Key': key, 'X-Keyward-Verifier': verifier, 'X-Forwarded-For': INSIDE }
    const { status, headers: answered } = await askForward({ port: fixture.port, headers: Object.entries(headers) })
    return [status, answered['x-keyward-code']]
  }

  test('is held to the address that it connects from, and not to that of the other', async () => {
    expect(await forward(await putVerifier({ ipAllowlist: ['127.0.0.1'] }))).toEqual([204, 'VALID'])
    expect(await forward(await putVerifier(ALLOWED))).toEqual([403, 'FORBIDDEN'])
  })
})
