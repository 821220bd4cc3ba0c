import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { formatPublicId } from '../../../src/public-id.ts'
import type { KeyRecord } from '../../../src/verify/ports.ts'
import { startTestApp, type TestApp } from '../../harness/app.ts'
import { sendGraphQL } from '../../harness/client.ts'
import { createTestDatabase, type TestDatabase } from '../../harness/database.ts'
import { createManualClock } from '../../harness/manual-clock.ts'
import { ApiKeyDisable, ApiKeyEnable } from '../../harness/operations.ts'
import { type AdminSeed, seedAdmin } from '../../harness/seed.ts'
import { keyRecord, newToken } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'
import { createMemoryNonceStore } from './memory-nonce-store.ts'
import { signByHand } from './signed-messages.ts'

const SECRET = randomBytes(32)
const EMPTY_SHA256 = createHash('sha256').digest('hex')

interface Signing {
  readonly keyId: string
  readonly now: number
  readonly secret?: Uint8Array
  readonly nonce?: string
  readonly path?: string
}

function sign({ keyId, now, secret = SECRET, nonce = randomUUID(), path = '/orders?x=1' }: Signing) {
  const timestamp = Math.floor(now / 1000)
  const text = ['kw1', timestamp, nonce, 'GET', path, EMPTY_SHA256].join('\n')
  const signature = createHmac('sha256', secret).update(text).digest('hex')
  return { keyId, timestamp, nonce, method: 'GET', path, bodySha256: EMPTY_SHA256, signature }
}

async function post(baseUrl: string, verifier: string, body: unknown) {
  const response = await fetch(`${baseUrl}/verify/signature`, {
    method: 'POST',
    headers: { authorization: `Bearer ${verifier}`, 'content-type': 'application/json', 'x-request-id': 'r' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) as Record<string, unknown> }
}

describe('POST /verify/signature', () => {
  let fixture: VerifyFixture
  let record: KeyRecord
  let keyId: string

  beforeEach(async () => {
    fixture = await startVerifyFixture(createMemoryBacking(), { nonceStore: createMemoryNonceStore() })
    record = keyRecord({ signingSecret: SECRET, scopes: ['orders:read'] })
    keyId = formatPublicId('ApiKey', record.keyId)
    await fixture.put(newToken(), record)
  })
  afterEach(() => fixture.stop())

  const now = () => fixture.clock.now()
  const ask = (body: unknown, verifier = fixture.acmeVerifier) => post(fixture.baseUrl, verifier, body)
  const codeOf = async (body: unknown, verifier?: string) => (await ask(body, verifier)).body.code

  async function change(changes: Partial<KeyRecord>): Promise<void> {
    record = { ...record, ...changes, keyId: randomUUID() }
    await fixture.put(newToken(), record)
    keyId = formatPublicId('ApiKey', record.keyId)
  }

  it('finds a correctly signed request valid, and says whose it is', async () => {
    const answer = await ask({ ...sign({ keyId, now: now() }), scopes: ['orders:read'] })
    expect(answer).toMatchObject({ status: 200, body: { valid: true, code: 'VALID', keyId, scopes: ['orders:read'] } })
  })

  it('accepts a nonce once, whatever became of the request', async () => {
    const request = { ...sign({ keyId, now: now() }), scopes: ['orders:write'] }
    expect(await codeOf(request)).toBe('INSUFFICIENT_SCOPE')
    expect(await codeOf(request)).toBe('NONCE_REPLAYED')
    expect(await codeOf({ ...request, scopes: [] })).toBe('NONCE_REPLAYED')
    expect(await codeOf(sign({ keyId, now: now() }))).toBe('VALID')
  })

  it('lets nobody use up a nonce with a forged signature, or an expired one', async () => {
    const request = sign({ keyId, now: now() })
    expect(await codeOf({ ...request, path: '/other' })).toBe('SIGNATURE_INVALID')
    expect(await codeOf(sign({ keyId, now: now() - 400_000, nonce: request.nonce }))).toBe('SIGNATURE_EXPIRED')
    expect(await codeOf(request)).toBe('VALID')
  })

  it('admits one of 50 copies that come at once', async () => {
    const request = sign({ keyId, now: now() })
    const codes = await Promise.all(Array.from({ length: 50 }, () => codeOf(request)))
    expect(codes.filter((code) => code === 'VALID')).toHaveLength(1)
    expect(codes.filter((code) => code === 'NONCE_REPLAYED')).toHaveLength(49)
  })

  it('answers for every key that signs nothing for this verifier in the same bytes', async () => {
    const unsigned = keyRecord()
    const foreign = keyRecord({ tenantId: randomUUID(), tenantSlug: 'initech', signingSecret: SECRET })
    const revoked = keyRecord({ ...foreign, keyId: randomUUID(), revokedAt: 1 })
    const dead = keyRecord({ revokedAt: 1 })
    for (const key of [unsigned, foreign, revoked, dead]) await fixture.put(newToken(), key)
    const ids = [foreign.keyId, unsigned.keyId, revoked.keyId, dead.keyId, randomUUID()].map((id) =>
      formatPublicId('ApiKey', id),
    )
    const answers = []
    for (const id of [...ids, 'nobody', '', ...ids]) {
      for (const at of [now(), now() - 999_000]) answers.push(await ask(sign({ keyId: id, now: at })))
      answers.push(await ask({ ...sign({ keyId: id, now: now() }), signature: 'ff' }))
    }
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 200, body: { valid: false, code: 'NOT_FOUND', requestId: 'r' } })
    expect(await codeOf(sign({ keyId: ids[0] ?? '', now: now() }), fixture.platformVerifier)).toBe('VALID')
  })

  it('says of a key that is not alive that, and nothing of its signature', async () => {
    const bad = () => ({ ...sign({ keyId, now: now() }), signature: '00' })
    expect(await codeOf(bad())).toBe('SIGNATURE_INVALID')
    await change({ expiresAt: now() })
    expect(await codeOf(bad())).toBe('EXPIRED')
    await change({ disabledAt: 1 })
    expect(await codeOf(bad())).toBe('DISABLED')
    await change({ revokedAt: 1 })
    expect(await codeOf(bad())).toBe('REVOKED')
    await change({ tenantSuspendedAt: 1 })
    expect(await codeOf(bad())).toBe('TENANT_SUSPENDED')
  })

  it('decides on the signature before everything that comes after it', async () => {
    const wrong = { environment: 'TEST', scopes: ['orders:write'] }
    const request = { ...sign({ keyId, now: now() }), ...wrong }
    expect(await codeOf({ ...request, nonce: 'other' })).toBe('SIGNATURE_INVALID')
    expect(await codeOf({ ...sign({ keyId, now: now() + 90_000 }), ...wrong })).toBe('SIGNATURE_EXPIRED')
    expect(await codeOf(request)).toBe('ENVIRONMENT_MISMATCH')
    expect(await codeOf(request)).toBe('NONCE_REPLAYED')
  })

  it('takes RFC 9421, and the same request once', async () => {
    const parameters = `;created=${Math.floor(now() / 1000)};keyid="${keyId}"`
    const url = 'https://api.example.com/orders?x=1'
    const lines = [
      ['"@method"', 'GET'],
      ['"@target-uri"', url],
    ] as const
    const httpSignature = { method: 'GET', url, headers: signByHand(lines, parameters, SECRET) }
    expect(await codeOf({ httpSignature: { ...httpSignature, method: 'HEAD' } })).toBe('SIGNATURE_INVALID')
    expect(await codeOf({ httpSignature })).toBe('VALID')
    expect(await codeOf({ httpSignature })).toBe('NONCE_REPLAYED')
  })

  it('is valid for nobody when it names no key', async () => {
    const httpSignature = { method: 'GET', url: 'https://api.example.com/', headers: {} }
    expect((await ask({ httpSignature })).body).toMatchObject({ valid: false, detail: expect.any(String) })
  })
})

const CREATE_SIGNER = `mutation ($input: ApiKeyCreateInput!) {
  apiKeyCreate(input: $input) { ... on ApiKeyCreatePayload { signingSecret apiKey { id } } }
}`

interface CreatedSigner {
  readonly apiKeyCreate: { readonly signingSecret: string; readonly apiKey: { readonly id: string } }
}

describe('signed requests over PostgreSQL', () => {
  const masterKey = randomBytes(32)
  const clock = createManualClock()
  let database: TestDatabase
  let app: TestApp
  let admin: AdminSeed
  let keyId: string
  let secret: Uint8Array

  beforeAll(async () => {
    database = await createTestDatabase()
    app = await startTestApp({ database, masterKey, clock })
    admin = await seedAdmin(app)
    const { tenantId } = await admin.tenant()
    const input = { tenantId, name: 'signer', environment: 'PRODUCTION', withSigningSecret: true }
    const { data } = await sendGraphQL<CreatedSigner, unknown>(app, CREATE_SIGNER, { input }, admin.accessToken)
    if (data === null) throw new Error('No key was made.')
    keyId = data.apiKeyCreate.apiKey.id
    secret = Uint8Array.fromHex(data.apiKeyCreate.signingSecret)
  })
  afterAll(async () => {
    await app.stop()
    await database.drop()
  })

  const request = () => sign({ keyId, now: clock.now(), secret })
  const ask = (body: unknown) => post(app.baseUrl, app.firstStart.verifierToken, body)

  it('cost one statement for the nonce when the key is in memory, and one more when it is not', async () => {
    const count = async (body: unknown) => {
      const before = app.statements.length
      const { code } = (await ask(body)).body
      const statements = app.statements.slice(before)
      return [code, statements.filter((sql) => /FROM api_keys key|INSERT INTO nonces/.test(sql)).length]
    }
    expect(await count(request())).toEqual(['VALID', 2])
    expect(await count(request())).toEqual(['VALID', 1])
    expect(await count({ ...request(), signature: '' })).toEqual(['SIGNATURE_INVALID', 0])
  })

  it('are denied on the next verification after their key was disabled, and allowed on the next after it was enabled', async () => {
    expect((await ask(request())).body.code).toBe('VALID')
    await sendGraphQL(app, ApiKeyDisable, { id: keyId }, admin.accessToken)
    expect((await ask(request())).body.code).toBe('DISABLED')
    await sendGraphQL(app, ApiKeyEnable, { id: keyId }, admin.accessToken)
    expect((await ask(request())).body.code).toBe('VALID')
  })

  it('are accepted once, also after a restart', async () => {
    const once = request()
    const verifier = app.firstStart.verifierToken
    expect((await post(app.baseUrl, verifier, once)).body.code).toBe('VALID')
    await app.stop()
    app = await startTestApp({ database, masterKey, clock })
    expect((await post(app.baseUrl, verifier, once)).body.code).toBe('NONCE_REPLAYED')
    clock.advance(301_000)
    expect((await post(app.baseUrl, verifier, once)).body.code).toBe('SIGNATURE_EXPIRED')
  })

  it('leave nothing of the secret in the log', () => {
    const log = app.logLines.join('')
    expect(log).not.toContain(secret.toHex())
    expect(log).not.toContain(Buffer.from(secret).toString('base64'))
  })
})
