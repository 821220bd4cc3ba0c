import { createHash, createHmac, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { graphql } from '../generated/graphql/gql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'
import { ApiKeyRevoke } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'

const SignedKeyCreate = graphql(`
  mutation SignedKeyCreate($input: ApiKeyCreateInput!) {
    apiKeyCreate(input: $input) {
      __typename
      ... on ApiKeyCreatePayload { token signingSecret apiKey { id } }
    }
  }
`)

interface Signer {
  readonly keyId: string
  readonly secret: Buffer
}

describe('a signed request', () => {
  const masterKey = randomBytes(32)
  let database: TestDatabase
  let app: TestApp
  let admin: AdminSeed
  let tenant: TenantSeed
  let signer: Signer
  let verifierToken: string

  beforeAll(async () => {
    database = await createTestDatabase()
    app = await startTestApp({ database, masterKey })
    verifierToken = app.firstStart.verifierToken
    admin = await seedAdmin(app)
    tenant = await admin.tenant()
    signer = await createSigner('signer')
  })

  afterAll(async () => {
    await app.stop()
    await database.drop()
  })

  async function createSigner(name: string): Promise<Signer> {
    const input = { tenantId: tenant.tenantId, name, environment: 'PRODUCTION' as const, withSigningSecret: true }
    const { data } = await sendGraphQL(app, SignedKeyCreate, { input }, admin.accessToken)
    const created = data?.apiKeyCreate
    if (created?.__typename !== 'ApiKeyCreatePayload' || created.signingSecret == null) throw new Error('No secret.')
    return { keyId: created.apiKey.id, secret: Buffer.from(created.signingSecret, 'hex') }
  }

  function sign({ keyId, secret }: Signer, changes: Record<string, unknown> = {}): Record<string, unknown> {
    const timestamp = Math.floor(app.clock.now() / 1000)
    const fields = {
      keyId,
      timestamp,
      nonce: randomBytes(8).toString('hex'),
      method: 'POST',
      path: '/v1/payments?dry=1',
      bodySha256: createHash('sha256').update('{"amount":100}').digest('hex'),
      ...changes,
    }
    const text = ['kw1', fields.timestamp, fields.nonce, fields.method, fields.path, fields.bodySha256].join('\n')
    return { ...fields, signature: createHmac('sha256', secret).update(text).digest('hex') }
  }

  async function ask(body: Record<string, unknown>, token = verifierToken) {
    const response = await fetch(`${app.baseUrl}/verify/signature`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
    const answer = (await response.json()) as Record<string, unknown>
    return { status: response.status, body: answer, text: JSON.stringify({ ...answer, requestId: '' }) }
  }

  test('of a live key is VALID and names the key', async () => {
    const { status, body } = await ask(sign(signer))
    expect(status).toBe(200)
    expect(body).toMatchObject({ valid: true, code: 'VALID', keyId: signer.keyId })
  })

  test('is denied when anything that was signed is changed', async () => {
    for (const change of [
      { path: '/v1/payments' },
      { method: 'GET' },
      { nonce: 'another' },
      { bodySha256: '0'.repeat(64) },
    ]) {
      expect((await ask({ ...sign(signer), ...change })).body.code).toBe('SIGNATURE_INVALID')
    }
  })

  test('is accepted once, however often and however concurrently it is sent', async () => {
    const signed = sign(signer)
    const codes = await Promise.all(Array.from({ length: 50 }, async () => (await ask(signed)).body.code))
    expect(codes.filter((code) => code === 'VALID')).toHaveLength(1)
    expect(codes.filter((code) => code === 'NONCE_REPLAYED')).toHaveLength(49)
  })

  test('is not used up by a forged one with the same nonce', async () => {
    const signed = sign(signer)
    expect((await ask({ ...signed, signature: '0'.repeat(64) })).body.code).toBe('SIGNATURE_INVALID')
    expect((await ask(signed)).body.code).toBe('VALID')
  })

  test('is expired after its window and before the clocks can agree', async () => {
    const now = Math.floor(app.clock.now() / 1000)
    expect((await ask(sign(signer, { timestamp: now - 300 - 61 }))).body.code).toBe('SIGNATURE_EXPIRED')
    expect((await ask(sign(signer, { timestamp: now + 62 }))).body.code).toBe('SIGNATURE_EXPIRED')
    expect((await ask(sign(signer, { timestamp: now + 50 }))).body.code).toBe('VALID')
  })

  test('for an unknown key, a foreign one and one without a secret is answered in the same bytes', async () => {
    const other = await admin.tenant()
    const foreignVerifier = await other.key({ scopes: ['keyward:verify'] })
    const plain = await tenant.key()
    const unknown = await ask(sign({ ...signer, keyId: `key_${'0'.repeat(32)}` }))
    const foreign = await ask(sign(signer), foreignVerifier.token)
    const secretless = await ask(sign({ ...signer, keyId: plain.apiKeyId }))
    const garbage = await ask(sign({ ...signer, keyId: 'no id at all' }))
    expect(unknown.body).toMatchObject({ valid: false, code: 'NOT_FOUND' })
    expect(foreign.text).toBe(unknown.text)
    expect(secretless.text).toBe(unknown.text)
    expect(garbage.text).toBe(unknown.text)
  })

  test('of a revoked key is denied on the next request', async () => {
    const revoked = await createSigner('to be revoked')
    expect((await ask(sign(revoked))).body.code).toBe('VALID')
    await sendGraphQL(app, ApiKeyRevoke, { id: revoked.keyId, input: { reason: 'test' } }, admin.accessToken)
    expect((await ask(sign(revoked))).body.code).toBe('REVOKED')
  })

  test('that was accepted is replayed also after a restart', async () => {
    const signed = sign(signer)
    expect((await ask(signed)).body.code).toBe('VALID')
    await app.stop()
    app = await startTestApp({ database, masterKey, clock: app.clock })
    expect((await ask(signed)).body.code).toBe('NONCE_REPLAYED')
  })
})
