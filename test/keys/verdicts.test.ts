import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateToken } from '../../src/keys/token.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyById, ApiKeyDisable, ApiKeyEnable, ApiKeyRevoke } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed, uuidOf } from '../harness/seed.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  for (const name of ['orders:read', 'orders:write', 'stock:count']) await tenant.scope(name)
})
afterAll(() => app.stop())

async function codeOf(token: string, request: Record<string, unknown> = {}): Promise<unknown> {
  return (await sendVerify(app, { key: token, ...request })).body.code
}

test('a key that was just created is valid, and named by the ids of GraphQL', async () => {
  const { token, apiKeyId } = await tenant.key({ scopes: ['orders:read'] })
  const { status, body } = await sendVerify(app, { key: token })
  expect(status).toBe(200)
  expect(body).toMatchObject({ valid: true, code: 'VALID', keyId: apiKeyId, tenantId: tenant.tenantId })
})

test('a key that nobody created is not found', async () => {
  const unknown = generateToken({ prefix: 'abc', environment: 'PRODUCTION', randomBytes })
  const { status, body } = await sendVerify(app, { key: unknown })
  expect(status).toBe(200)
  expect(body).toEqual({ valid: false, code: 'NOT_FOUND', detail: expect.any(String), requestId: expect.any(String) })
})

test('a revoked key is denied on the very next verification', async () => {
  const { token, apiKeyId: id } = await tenant.key()
  expect(await codeOf(token)).toBe('VALID')
  await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'leaked' } }, admin.accessToken)
  expect(await codeOf(token)).toBe('REVOKED')
})

test('a revoked key stays denied while many verify it and it is being revoked', async () => {
  const { token, apiKeyId: id } = await tenant.key()
  let isRevoked = false
  const crowd = Array.from({ length: 8 }, async () => {
    for (let turn = 0; turn < 40; turn++) {
      const wasRevoked = isRevoked
      const code = await codeOf(token)
      // Who asks after the answer to the revocation must be told.
      if (wasRevoked) expect(code).toBe('REVOKED')
    }
  })
  await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'leaked' } }, admin.accessToken)
  isRevoked = true
  await Promise.all(crowd)
  expect(await codeOf(token)).toBe('REVOKED')
})

test('a key expires at the millisecond, not before and not after', async () => {
  const { token, apiKeyId: id } = await tenant.key({ expiresAt: new Date(app.clock.now() + 30_000).toISOString() })
  expect(await codeOf(token)).toBe('VALID')
  app.clock.advance(29_999)
  expect(await codeOf(token)).toBe('VALID')
  app.clock.advance(1)
  expect(await codeOf(token)).toBe('EXPIRED')
  expect((await sendGraphQL(app, ApiKeyById, { id }, admin.accessToken)).data?.apiKey?.status).toBe('EXPIRED')
})

test('a disabled key is denied on the next verification, and allowed again on the next after it is enabled', async () => {
  const { token, apiKeyId: id } = await tenant.key()
  for (let round = 0; round < 3; round++) {
    expect(await codeOf(token)).toBe('VALID')
    await sendGraphQL(app, ApiKeyDisable, { id }, admin.accessToken)
    expect(await codeOf(token)).toBe('DISABLED')
    await sendGraphQL(app, ApiKeyEnable, { id }, admin.accessToken)
  }
  expect(await codeOf(token)).toBe('VALID')
})

test('revoked beats disabled, disabled beats expired', async () => {
  const { token, apiKeyId: id } = await tenant.key({ expiresAt: new Date(app.clock.now() + 1).toISOString() })
  app.clock.advance(1)
  expect(await codeOf(token)).toBe('EXPIRED')
  await sendGraphQL(app, ApiKeyDisable, { id }, admin.accessToken)
  expect(await codeOf(token)).toBe('DISABLED')
  await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'leaked' } }, admin.accessToken)
  expect(await codeOf(token)).toBe('REVOKED')
})

test('a key of one environment is denied in another', async () => {
  const { token } = await tenant.key({ environment: 'STAGING' })
  expect(await codeOf(token, { environment: 'STAGING' })).toBe('VALID')
  expect(await codeOf(token, { environment: 'PRODUCTION' })).toBe('ENVIRONMENT_MISMATCH')
})

test('a key that lacks scopes is told which', async () => {
  const { token } = await tenant.key({ scopes: ['orders:*'] })
  expect(await codeOf(token, { scopes: ['orders:read', 'orders:write'] })).toBe('VALID')
  expect((await sendVerify(app, { key: token, scopes: ['orders:read', 'stock:count', 'x:y'] })).body).toMatchObject({
    valid: false,
    code: 'INSUFFICIENT_SCOPE',
    missingScopes: ['stock:count', 'x:y'],
  })
  expect((await sendVerify(app, { key: token, scopeQuery: 'orders:read AND stock:count' })).body).toMatchObject({
    code: 'INSUFFICIENT_SCOPE',
    missingScopes: ['stock:count'],
  })
})

test('an inactive scope is granted to no key that holds it', async () => {
  const { token } = await tenant.key({ scopes: ['stock:count'] })
  await app.query("UPDATE scopes SET active = false WHERE name = 'stock:count' AND tenant_id = $1", [
    uuidOf(tenant.tenantId),
  ])
  expect(await codeOf(token, { scopes: ['stock:count'] })).toBe('INSUFFICIENT_SCOPE')
  await app.query("UPDATE scopes SET active = true WHERE name = 'stock:count' AND tenant_id = $1", [
    uuidOf(tenant.tenantId),
  ])
})

test("a tenant's own verifier verifies that tenant's keys alone, and cannot tell foreign ones from unknown ones", async () => {
  const verifier = await tenant.key({ scopes: ['keyward:verify'] })
  const own = await tenant.key()
  const foreign = await (await admin.tenant()).key()
  const unknown = generateToken({ prefix: foreign.token.split('_')[0] ?? '', environment: 'PRODUCTION', randomBytes })
  const ask = (key: string) =>
    send(app, '/verify', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${verifier.token}`,
        'x-request-id': 'same',
      },
      body: JSON.stringify({ key }),
    })

  expect(JSON.parse((await ask(own.token)).text).code).toBe('VALID')
  const [theirs, nobodys] = [await ask(foreign.token), await ask(unknown)]
  expect(theirs.text).toBe(nobodys.text)
  expect(theirs.status).toBe(nobodys.status)
  const headersOf = ({ headers }: typeof theirs) => [...headers].filter(([name]) => name !== 'date')
  expect(headersOf(theirs)).toEqual(headersOf(nobodys))
  expect(JSON.parse(theirs.text).code).toBe('NOT_FOUND')
  // The platform's verifier did see it, so that it was not simply broken.
  expect(await codeOf(foreign.token)).toBe('VALID')
})

test('a key without the scope verifies nothing, and no key at all neither', async () => {
  const { token } = await tenant.key({ scopes: ['orders:read'] })
  const forbidden = await sendVerify(app, { key: token }, token)
  expect(forbidden).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })

  const anonymous = await send(app, '/verify', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: token }),
  })
  expect(anonymous.status).toBe(401)
  expect(anonymous.headers.get('content-type')).toBe('application/problem+json')
  expect(JSON.parse(anonymous.text)).toMatchObject({ code: 'UNAUTHENTICATED', status: 401 })
})

test('a verifier that is revoked verifies nothing from the next request on', async () => {
  const verifier = await tenant.key({ scopes: ['keyward:verify'] })
  const { token } = await tenant.key()
  expect((await sendVerify(app, { key: token }, verifier.token)).body.code).toBe('VALID')
  await sendGraphQL(app, ApiKeyRevoke, { id: verifier.apiKeyId, input: { reason: 'x' } }, admin.accessToken)
  expect(await sendVerify(app, { key: token }, verifier.token)).toMatchObject({
    status: 401,
    body: { code: 'UNAUTHENTICATED' },
  })
})

test('a token that was looked up in vain before its key was created is valid right after', async () => {
  const foreseen = randomBytes(64)
  let isForeseen = false
  const other = await startTestApp({
    randomBytes: (length) => (isForeseen ? foreseen.subarray(0, length) : randomBytes(length)),
  })
  try {
    const owner = await (await seedAdmin(other)).tenant('later')
    const [prefix] = await other.query<{ key_prefix: string }>("SELECT key_prefix FROM tenants WHERE slug = 'later'")
    isForeseen = true
    const token = generateToken({
      prefix: prefix?.key_prefix ?? '',
      environment: 'PRODUCTION',
      randomBytes: (length) => foreseen.subarray(0, length),
    })
    expect((await sendVerify(other, { key: token })).body.code).toBe('NOT_FOUND')
    expect((await owner.key()).token).toBe(token)
    expect((await sendVerify(other, { key: token })).body.code).toBe('VALID')
  } finally {
    await other.stop()
  }
})

test('usage counts every answer of every code once, and when the last one was', async () => {
  const { token, apiKeyId: id } = await tenant.key()
  for (let turn = 0; turn < 7; turn++) await codeOf(token)
  for (let turn = 0; turn < 3; turn++) await codeOf(token, { scopes: ['x:y'] })
  app.clock.advance(1234)
  await codeOf(token, { environment: 'TEST' })
  await app.flushUsage()
  const { data } = await sendGraphQL(app, ApiKeyById, { id }, admin.accessToken)
  expect(data?.apiKey).toMatchObject({ requestCount: 11, lastUsedAt: new Date(app.clock.now()).toISOString() })
  const counts = await app.query(
    'SELECT code, sum(count)::int AS count FROM usage_minutes WHERE api_key_id = $1 GROUP BY code ORDER BY code',
    [uuidOf(id)],
  )
  expect(counts).toEqual([
    { code: 'ENVIRONMENT_MISMATCH', count: 1 },
    { code: 'INSUFFICIENT_SCOPE', count: 3 },
    { code: 'VALID', count: 7 },
  ])
})
