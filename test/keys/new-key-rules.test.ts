import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signingSecretPurpose } from '../../src/keys/signing-secret.ts'
import { createEnvelope } from '../../src/secrets/envelope.ts'
import { graphql } from '../generated/graphql/gql.ts'
import type { ApiKeyCreateInput, TenantConfigInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { TenantConfigSet } from '../harness/operations.ts'
import { findLeaks } from '../harness/records.ts'
import { type AdminSeed, seedAdmin, seedUser, uniqueName, uuidOf } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

const ApiKeyCreateWithRules = graphql(`
  mutation ApiKeyCreateWithRules($input: ApiKeyCreateInput!) {
    apiKeyCreate(input: $input) {
      __typename
      ... on ApiKeyCreatePayload {
        token
        signingSecret
        apiKey { id expiresAt config { perMinute ipAllowlist paths } credits { remaining refill { amount every } } }
      }
      ... on UserError { code message path }
    }
  }
`)

const DAY_MS = 24 * 60 * 60 * 1000
const masterKey = randomBytes(32)

let app: TestApp
let admin: AdminSeed
beforeAll(async () => {
  app = await startTestApp({ masterKey })
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())

const send = (tenantId: string, input: Partial<ApiKeyCreateInput>, token = admin.accessToken) =>
  sendGraphQL(
    app,
    ApiKeyCreateWithRules,
    { input: { tenantId, name: uniqueName(), environment: 'PRODUCTION', ...input } },
    token,
  )

async function create(tenantId: string, input: Partial<ApiKeyCreateInput>) {
  const answer = await send(tenantId, input)
  const created = answer.data?.apiKeyCreate
  if (created?.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(answer))
  return created
}

const inDays = (days: number) => new Date(app.clock.now() + days * DAY_MS).toISOString()

describe('a new key', () => {
  it('can bring its own configuration and credits, which count on its first verification', async () => {
    const { tenantId } = await admin.tenant()
    const { token, apiKey, signingSecret } = await create(tenantId, {
      config: { perMinute: 5, ipAllowlist: ['10.1.1.1/8'], perHour: null },
      credits: { amount: 7, refill: { amount: 9, every: 'MONTH' } },
    })
    expect(apiKey).toMatchObject({
      config: { perMinute: 5, ipAllowlist: ['10.0.0.0/8'], paths: null },
      credits: { remaining: 7, refill: { amount: 9, every: 'MONTH' } },
    })
    expect(signingSecret).toBeNull()
    expect((await sendVerify(app, { key: token, ip: '192.0.2.1' })).body.code).toBe('IP_DENIED')
    expect((await sendVerify(app, { key: token, ip: '10.2.3.4' })).body).toMatchObject({
      code: 'VALID',
      limits: [{ name: 'minute', limit: 5, remaining: 4 }],
      credits: { remaining: 6 },
    })
  })

  it('is recorded with them, and with the fact that it signs, but not with what it signs with', async () => {
    const { tenantId } = await admin.tenant()
    const config = { perMinute: 5 }
    const credits = { amount: 7, refill: null }
    let signingSecret: string | null = null
    const { audit } = await recordsOf(app, tenantId, async () => {
      signingSecret = (await create(tenantId, { config, credits, withSigningSecret: true })).signingSecret
    })
    expect(audit).toMatchObject([{ detail: { after: { config, credits, withSigningSecret: true } } }])
    expect(await findLeaks(app, [String(signingSecret)])).toEqual([])
  })

  it('can have a secret to sign with, shown once and kept sealed for this key alone', async () => {
    const { tenantId } = await admin.tenant()
    const { apiKey, signingSecret } = await create(tenantId, { withSigningSecret: true })
    expect(signingSecret).toMatch(/^[0-9a-f]{64}$/)
    const id = uuidOf(apiKey.id)
    const [row] = await app.query<{ sealed: Buffer }>(
      'SELECT sealed_signing_secret AS sealed FROM api_keys WHERE id = $1',
      [id],
    )
    const sealed = row?.sealed ?? Buffer.alloc(0)
    const envelope = createEnvelope(masterKey)
    expect(Buffer.from(envelope.open(sealed, signingSecretPurpose(id))).toString('hex')).toBe(signingSecret)
    const other = uuidOf((await create(tenantId, {})).apiKey.id)
    expect(() => envelope.open(sealed, signingSecretPurpose(other))).toThrow()
  })

  it.each([
    [{ config: { perMinute: -3 } }, ['input', 'config', 'perMinute']],
    [{ config: { expectedVersion: 1 } }, ['input', 'config', 'expectedVersion']],
    [{ credits: { amount: -1 } }, ['input', 'credits', 'amount']],
    [{ credits: { amount: 1, refill: { amount: 0, every: 'DAY' } } }, ['input', 'credits', 'refill', 'amount']],
  ] satisfies [Partial<ApiKeyCreateInput>, string[]][])('is not made with %j', async (input, path) => {
    const { tenantId } = await admin.tenant()
    const { audit, events } = await recordsOf(app, tenantId, async () => {
      expect((await send(tenantId, input)).data?.apiKeyCreate).toMatchObject({ code: 'VALIDATION_FAILED', path })
    })
    expect([audit, events]).toEqual([[], []])
  })

  it('is given rules and credits only by whoever may set them later', async () => {
    const { tenantId } = await admin.tenant()
    const { accessToken: developer } = await seedUser(app, { tenantId, role: 'DEVELOPER' })
    const { accessToken: owner } = await seedUser(app, { tenantId, role: 'OWNER' })
    for (const input of [{ config: { perMinute: 5 } }, { credits: { amount: 5 } }]) {
      expect(readCode(await send(tenantId, input, developer))).toBe('FORBIDDEN')
      expect(readCode(await send(tenantId, input, owner))).toBe('ApiKeyCreatePayload')
    }
    expect(readCode(await send(tenantId, { withSigningSecret: true }, developer))).toBe('ApiKeyCreatePayload')
  })
})

describe('how long a new key lives', () => {
  async function tenantWith(input: TenantConfigInput): Promise<string> {
    const { tenantId } = await admin.tenant()
    await sendGraphQL(app, TenantConfigSet, { tenantId, input }, admin.accessToken)
    return tenantId
  }
  const expiryIn = async (tenantId: string, input: Partial<ApiKeyCreateInput>) =>
    (await create(tenantId, input)).apiKey.expiresAt

  it('is for ever when nobody says otherwise', async () => {
    expect(await expiryIn(await tenantWith({}), {})).toBeNull()
    expect(await expiryIn(await tenantWith({ keyTtlDaysDefault: -1, keyTtlDaysMax: -1 }), {})).toBeNull()
  })

  it("is the tenant's default when nothing is asked for, and what is asked for otherwise", async () => {
    const tenantId = await tenantWith({ keyTtlDaysDefault: 30 })
    expect(await expiryIn(tenantId, {})).toBe(inDays(30))
    expect(await expiryIn(tenantId, { ttlDays: 400 })).toBe(inDays(400))
    expect(await expiryIn(tenantId, { expiresAt: inDays(2) })).toBe(inDays(2))
  })

  it("is never longer than the tenant's maximum", async () => {
    const tenantId = await tenantWith({ keyTtlDaysMax: 10 })
    expect(await expiryIn(tenantId, {})).toBe(inDays(10))
    expect(await expiryIn(tenantId, { ttlDays: 10 })).toBe(inDays(10))
    const refusal = async (input: Partial<ApiKeyCreateInput>) => (await send(tenantId, input)).data?.apiKeyCreate
    expect(await refusal({ ttlDays: 11 })).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'ttlDays'] })
    expect(await refusal({ expiresAt: inDays(10.001) })).toMatchObject({
      code: 'VALIDATION_FAILED',
      path: ['input', 'expiresAt'],
    })
  })
})
