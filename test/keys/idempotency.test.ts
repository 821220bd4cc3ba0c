import { randomUUIDv7 } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { purgeRememberedRequests } from '../../src/commands/idempotency-store.ts'
import { graphql } from '../generated/graphql/gql.ts'
import type { ApiKeyCreateInput, MemberInviteInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyRevoke, ApiKeyRotate, ScopeCreate, TenantCreate } from '../harness/operations.ts'
import { MemberInvite } from '../harness/people-operations.ts'
import { findLeaks } from '../harness/records.ts'
import { type AdminSeed, seedAdmin, seedUser, type TenantSeed, uniqueName, uuidOf } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

const CreateWithSecrets = graphql(`
  mutation CreateWithSecrets($input: ApiKeyCreateInput!) {
    apiKeyCreate(input: $input) {
      __typename
      ... on ApiKeyCreatePayload { token signingSecret apiKey { id name status metadata } }
      ... on UserError { code message path }
    }
  }
`)

const MINUTE_MS = 60 * 1000
const HOUR_MS = 60 * MINUTE_MS

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

/** A request that can be sent again as it is. */
function request(given: Partial<ApiKeyCreateInput> = {}): ApiKeyCreateInput {
  const { tenantId } = tenant
  return { tenantId, name: uniqueName(), environment: 'PRODUCTION', idempotencyKey: randomUUIDv7(), ...given }
}

const send = (input: ApiKeyCreateInput, token = admin.accessToken) =>
  sendGraphQL(app, CreateWithSecrets, { input }, token)

async function create(input: ApiKeyCreateInput, token = admin.accessToken) {
  const answer = await send(input, token)
  const created = answer.data?.apiKeyCreate
  if (created?.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(answer))
  return created
}

const countKeys = async (name: string) => (await app.query('SELECT 1 FROM api_keys WHERE name = $1', [name])).length

test('the same request again gives the same key and makes no other, with its secrets for 10 minutes', async () => {
  const input = request({ withSigningSecret: true, metadata: { b: 1, a: [{ d: 1, c: 2 }] } })
  const first = await create(input)
  expect(first.token).toMatch(/_live_/)
  expect(first.signingSecret).toMatch(/^[0-9a-f]{64}$/)
  expect(await create(input)).toEqual(first)
  // In another order of members it is the same input.
  expect(await create({ ...input, metadata: { a: [{ c: 2, d: 1 }], b: 1 } })).toEqual(first)

  app.clock.advance(10 * MINUTE_MS - 1)
  expect(await create(input)).toEqual(first)
  app.clock.advance(1)
  expect(await create(input)).toEqual({ ...first, token: null, signingSecret: null })
  expect(await countKeys(input.name)).toBe(1)
  expect((await sendVerify(app, { key: first.token })).body.valid).toBe(true)
})

test('a replay shows the key as it is now, is recorded, and tells nobody', async () => {
  const input = request()
  const { apiKey } = await create(input)
  await sendGraphQL(app, ApiKeyRevoke, { id: apiKey.id, input: { reason: 'done' } }, admin.accessToken)
  const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
    expect((await create(input)).apiKey).toEqual({ ...apiKey, status: 'REVOKED' })
  })
  expect(audit).toEqual([
    {
      action: 'command.replayed',
      outcome: 'SUCCESS',
      actorKind: 'USER',
      resourceId: 'create-key',
      detail: { result: apiKey.id, secretsShown: true },
    },
  ])
  expect(events).toEqual([])
})

test.each([
  ['another name', { name: 'another' }],
  ['another environment', { environment: 'TEST' }],
  ['something more', { ownerId: 'client-1' }],
  ['other metadata', { metadata: { a: 2 } }],
] satisfies [string, Partial<ApiKeyCreateInput>][])('the same key with %s is refused', async (_, change) => {
  const input = request({ metadata: { a: 1 } })
  await create(input)
  expect((await send({ ...input, ...change })).data?.apiKeyCreate).toEqual({
    __typename: 'ConflictError',
    code: 'CONFLICT',
    message: 'This idempotency key came with another input before: use a new one.',
    path: ['input', 'idempotencyKey'],
  })
})

test('of twins that come at once one makes the key, and all are answered with it', async () => {
  for (let round = 0; round < 5; round++) {
    const input = request()
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => create(input)))
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    })
    expect(await countKeys(input.name)).toBe(1)
    expect(events.map(({ type }) => type)).toEqual(['api_key.created'])
    expect(audit.map(({ action }) => action)).toEqual(['api_key.created', ...Array(7).fill('command.replayed')])
  }
})

test('an attempt that failed leaves the key as new', async () => {
  const { idempotencyKey = null, name } = request()
  const taken = request({ idempotencyKey: null })
  await create(taken)
  expect(readCode(await send({ ...taken, idempotencyKey }))).toBe('CONFLICT')
  expect((await create({ ...taken, name, idempotencyKey })).apiKey.name).toBe(name)
})

test('the key of one caller, or of one tenant, is no other’s', async () => {
  const other = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
  const elsewhere = await admin.tenant()
  const input = request()
  const ids = [
    (await create(input)).apiKey.id,
    (await create({ ...input, name: uniqueName() }, other.accessToken)).apiKey.id,
    (await create({ ...input, tenantId: elsewhere.tenantId })).apiKey.id,
  ]
  expect(new Set(ids).size).toBe(3)
})

test('who may not create keys any more is refused, whatever came before', async () => {
  const person = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
  const input = request()
  await create(input, person.accessToken)
  await app.query("UPDATE memberships SET role = 'VIEWER' WHERE user_id = $1", [uuidOf(person.userId)])
  expect(readCode(await send(input, person.accessToken))).toBe('FORBIDDEN')
})

test('after 24 hours a key is as new', async () => {
  const input = request()
  const first = await create(input)
  app.clock.advance(24 * HOUR_MS - 1)
  const { accessToken } = await seedAdmin(app)
  expect((await create(input, accessToken)).apiKey.id).toBe(first.apiKey.id)
  app.clock.advance(1)
  expect(readCode(await send(input, accessToken))).toBe('CONFLICT')
  const second = await create({ ...input, name: uniqueName() }, accessToken)
  expect(second.token).not.toBeNull()
  expect(second.apiKey.id).not.toBe(first.apiKey.id)
  admin = await seedAdmin(app)
})

test('what was made and is gone is said to be', async () => {
  const input = request()
  const { apiKey } = await create(input)
  await app.query('DELETE FROM api_keys WHERE id = $1', [uuidOf(apiKey.id)])
  expect((await send(input)).data?.apiKeyCreate).toMatchObject({
    code: 'CONFLICT',
    message: 'What this idempotency key was used for is not there any more.',
  })
})

test.each([
  ['empty', ''],
  ['with a line break', 'a\nb'],
  ['of 201 characters', 'x'.repeat(201)],
])('an idempotency key that is %s is refused', async (_, idempotencyKey) => {
  expect((await send(request({ idempotencyKey }))).data?.apiKeyCreate).toMatchObject({
    code: 'VALIDATION_FAILED',
    path: ['input', 'idempotencyKey'],
  })
})

test('tenants and scopes are created once too', async () => {
  const slug = uniqueName()
  const newTenant = { name: slug, slug, keyPrefix: 'abc', idempotencyKey: randomUUIDv7() }
  const tenants = await Promise.all(
    Array.from({ length: 3 }, () => sendGraphQL(app, TenantCreate, { input: newTenant }, admin.accessToken)),
  )
  expect(tenants.map(readCode)).toEqual(Array(3).fill('TenantCreatePayload'))
  expect(new Set(tenants.map(({ data }) => JSON.stringify(data))).size).toBe(1)
  const renamed = await sendGraphQL(app, TenantCreate, { input: { ...newTenant, name: 'B' } }, admin.accessToken)
  expect(readCode(renamed)).toBe('CONFLICT')

  const newScope = { tenantId: tenant.tenantId, name: `${slug}:read`, idempotencyKey: newTenant.idempotencyKey }
  const scopes = [1, 2].map(() => sendGraphQL(app, ScopeCreate, { input: newScope }, admin.accessToken))
  expect((await Promise.all(scopes)).map(readCode)).toEqual(Array(2).fill('ScopeCreatePayload'))
})

test('a rotation that is sent again gives the same token, for 10 minutes, and ends none', async () => {
  admin = await seedAdmin(app)
  const { apiKeyId: id } = await (await admin.tenant()).key()
  const input = { idempotencyKey: randomUUIDv7(), gracePeriodSeconds: 60 }
  const rotate = async () => {
    const { data } = await sendGraphQL(app, ApiKeyRotate, { id, input }, admin.accessToken)
    if (data?.apiKeyRotate.__typename !== 'ApiKeyRotatePayload') throw new Error(JSON.stringify(data))
    return data.apiKeyRotate
  }
  const first = await rotate()
  expect(first.apiKey).toMatchObject({ version: 2, secrets: [{ state: 'ACTIVE' }, { state: 'RETIRING' }] })
  expect(await Promise.all([rotate(), rotate()])).toEqual([first, first])
  expect((await sendVerify(app, { key: first.token })).body.valid).toBe(true)
  app.clock.advance(10 * MINUTE_MS)
  expect(await rotate()).toMatchObject({ token: null, apiKey: { id, version: 2 } })
})

test('an invitation that is sent again is the same one, with its token for 10 minutes', async () => {
  admin = await seedAdmin(app)
  const { tenantId } = tenant
  const invited = { tenantId, email: `${uniqueName()}@example.com`, role: 'VIEWER' as const }
  const invite = async (input: MemberInviteInput) => {
    const { data } = await sendGraphQL(app, MemberInvite, { input }, admin.accessToken)
    if (data?.memberInvite.__typename !== 'MemberInvitePayload') throw new Error(JSON.stringify(data))
    return data.memberInvite
  }
  const input = { ...invited, idempotencyKey: randomUUIDv7() }
  const first = await invite(input)
  expect(first.acceptToken).toEqual(expect.any(String))
  expect(await Promise.all([invite(input), invite(input)])).toEqual([first, first])
  app.clock.advance(10 * MINUTE_MS)
  expect(await invite(input)).toEqual({ ...first, acceptToken: null })
  // Without a key a second one takes its place.
  expect((await invite(invited)).invitation.id).not.toBe(first.invitation.id)
  admin = await seedAdmin(app)
})

describe('what is remembered', () => {
  test('shows neither the token nor the secret nor the input to who reads the database', async () => {
    const input = request({ withSigningSecret: true, metadata: { hint: 'blue-tulip' } })
    const { token, signingSecret } = await create(input)
    const rows = await app.query<{ text: string }>('SELECT remembered_requests::text AS text FROM remembered_requests')
    expect(rows.length).toBeGreaterThan(0)
    for (const { text } of rows) {
      for (const secret of [token, signingSecret, 'blue-tulip', input.idempotencyKey]) {
        expect(text).not.toContain(secret)
        expect(text).not.toContain(Buffer.from(String(secret)).toString('hex'))
      }
    }
    expect(await findLeaks(app, [String(token), String(signingSecret)])).toEqual([])
  })

  test('is cleared away when its time is over, secrets first, and not before', async () => {
    const pool = new pg.Pool({ connectionString: app.database.url, options: '-c role=keyward_app', max: 1 })
    const count = async () =>
      (
        await app.query<{ rows: number; secrets: number }>(
          'SELECT count(*)::int AS rows, count(sealed_secrets)::int AS secrets FROM remembered_requests',
        )
      )[0]
    await app.query('DELETE FROM remembered_requests')
    const input = request()
    const { apiKey } = await create(input)
    const purge = async () => {
      await purgeRememberedRequests(pool, app.clock.now())
      return count()
    }
    app.clock.advance(10 * MINUTE_MS - 1)
    expect(await purge()).toEqual({ rows: 1, secrets: 1 })
    app.clock.advance(1)
    expect(await purge()).toEqual({ rows: 1, secrets: 0 })
    expect(await create(input)).toMatchObject({ token: null, apiKey: { id: apiKey.id } })
    app.clock.advance(24 * HOUR_MS)
    expect(await purge()).toEqual({ rows: 0, secrets: 0 })
    await pool.end()
  })

  test('goes with its tenant', async () => {
    const { tenantId } = await (await seedAdmin(app)).tenant()
    admin = await seedAdmin(app)
    await create(request({ tenantId }))
    await app.query('DELETE FROM tenants WHERE id = $1', [uuidOf(tenantId)])
    const left = await app.query('SELECT FROM remembered_requests WHERE tenant_id = $1', [uuidOf(tenantId)])
    expect(left).toEqual([])
  })
})
