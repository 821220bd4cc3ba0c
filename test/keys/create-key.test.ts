import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApiKeyCreateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, send as sendRaw, sendVerify } from '../harness/client.ts'
import { ApiKeyCreate, ApiKeyRevoke } from '../harness/operations.ts'
import { findAuditRecords, findLeaks, findOutboxRecords } from '../harness/records.ts'
import {
  findPlatformTenantId,
  seedAdmin,
  seedUser,
  type TenantSeed,
  type UserSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'

let app: TestApp
let adminToken: string
let tenant: TenantSeed
let owner: UserSeed
let developer: UserSeed

beforeAll(async () => {
  app = await startTestApp()
  const admin = await seedAdmin(app)
  adminToken = admin.accessToken
  tenant = await admin.tenant()
  for (const name of ['orders:read', 'orders:write', 'stock:count']) await tenant.scope(name)
  owner = await seedUser(app, { tenantId: tenant.tenantId, role: 'OWNER' })
  developer = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
})
afterAll(() => app.stop())

const DAY_MS = 24 * 60 * 60 * 1000

interface Sender {
  readonly token?: string
  readonly headers?: Record<string, string>
}

function send(input: Partial<ApiKeyCreateInput>, { token = developer.accessToken, headers }: Sender = {}) {
  const variables = {
    input: { tenantId: tenant.tenantId, name: uniqueName(), environment: 'PRODUCTION', ...input } as const,
  }
  return sendGraphQL(app, ApiKeyCreate, variables, token, headers)
}

async function create(input: Partial<ApiKeyCreateInput>, sender?: Sender) {
  const answer = await send(input, sender)
  expect(answer.errors).toEqual([])
  return answer.data?.apiKeyCreate
}

async function mustCreate(input: Partial<ApiKeyCreateInput>, sender?: Sender) {
  const created = await create(input, sender)
  if (created?.__typename !== 'ApiKeyCreatePayload' || created.token === null) throw new Error(JSON.stringify(created))
  return { ...created, token: created.token }
}

test('a key is created, recorded and told, and its token is shown in the answer alone', async () => {
  const expiresAt = new Date(app.clock.now() + DAY_MS).toISOString()
  const input = { name: 'shop', scopes: ['orders:read', 'stock:*', 'orders:read'], ownerId: 'client-7', expiresAt }
  const headers = { 'x-request-id': 'key-1', 'user-agent': 'a browser' }
  const { token, apiKey } = await mustCreate({ ...input, metadata: { plan: 'gold' } }, { headers })

  expect(token).toMatch(/^t[0-9a-f]{8}_live_[0-9A-Za-z]{38}$/)
  const start = token.slice(0, token.lastIndexOf('_') + 5)
  expect(apiKey).toEqual({
    id: expect.stringMatching(/^key_[0-9a-f]{32}$/),
    version: 1,
    name: 'shop',
    start,
    environment: 'PRODUCTION',
    status: 'ACTIVE',
    scopes: ['orders:read', 'stock:*'],
    createdAt: new Date(app.clock.now()).toISOString(),
    expiresAt,
  })
  expect(await findAuditRecords(app, 'key-1')).toEqual([
    {
      tenant_id: uuidOf(tenant.tenantId),
      action: 'api_key.created',
      outcome: 'SUCCESS',
      actor_kind: 'USER',
      actor_id: uuidOf(developer.userId),
      resource_type: 'ApiKey',
      resource_id: apiKey.id,
      detail: {
        after: {
          name: 'shop',
          environment: 'PRODUCTION',
          scopes: ['orders:read', 'stock:*'],
          start,
          ownerId: 'client-7',
          expiresAt,
        },
      },
      occurred_at: new Date(app.clock.now()),
      ip: '127.0.0.1',
      user_agent: 'a browser',
      correlation_id: 'key-1',
    },
  ])
  expect(await findOutboxRecords(app, 'key-1')).toEqual([
    {
      tenant_id: uuidOf(tenant.tenantId),
      type: 'api_key.created',
      payload: { apiKeyId: apiKey.id, name: 'shop', environment: 'PRODUCTION' },
      occurred_at: new Date(app.clock.now()),
      correlation_id: 'key-1',
      dispatched_at: null,
    },
  ])
  expect(await findLeaks(app, [token])).toEqual([])
})

test('a token is stored as its hash alone', async () => {
  const { token } = await mustCreate({})
  const columns = await app.query<{ table_name: string }>(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
  )
  for (const { table_name: table } of columns) {
    const found = await app.query(`SELECT 1 FROM "${table}" row WHERE row::text LIKE '%' || $1 || '%'`, [token])
    expect({ table, found }).toEqual({ table, found: [] })
  }
})

test('the token names the environment of the key', async () => {
  for (const [environment, tag] of [
    ['PRODUCTION', 'live'],
    ['STAGING', 'stage'],
    ['DEVELOPMENT', 'dev'],
    ['TEST', 'test'],
  ] as const) {
    expect((await mustCreate({ environment })).token.split('_')[1]).toBe(tag)
  }
})

test('what a key is created with is what a verification answers with', async () => {
  const metadata = { plan: 'gold', nested: { list: [1, null, 'é😀'] } }
  const { token, apiKey } = await mustCreate({ name: 'full', ownerId: 'client-8', scopes: ['orders:read'], metadata })
  expect((await sendVerify(app, { key: token })).body).toMatchObject({
    valid: true,
    keyId: apiKey.id,
    tenantId: tenant.tenantId,
    tenantSlug: tenant.slug,
    name: 'full',
    ownerId: 'client-8',
    scopes: ['orders:read'],
    metadata,
    environment: 'PRODUCTION',
    expiresAt: null,
  })
})

test('a time to live counts days of 24 hours from now', async () => {
  const { apiKey } = await mustCreate({ ttlDays: 30 })
  expect(apiKey.expiresAt).toBe(new Date(app.clock.now() + 30 * DAY_MS).toISOString())
})

test('a name is taken once per environment among keys that are not revoked', async () => {
  const { apiKey } = await mustCreate({ name: 'once' })
  expect(await create({ name: 'once' }, { headers: { 'x-request-id': 'key-twice' } })).toEqual({
    __typename: 'ConflictError',
    code: 'CONFLICT',
    message: 'There is a key named `once` for PRODUCTION already.',
    path: ['input', 'name'],
  })
  expect(await findAuditRecords(app, 'key-twice')).toEqual([])
  expect(await findOutboxRecords(app, 'key-twice')).toEqual([])
  await mustCreate({ name: 'once', environment: 'TEST' })

  await sendGraphQL(app, ApiKeyRevoke, { id: apiKey.id, input: { reason: 'done' } }, developer.accessToken)
  await mustCreate({ name: 'once' })
})

test('one name in two spellings is one name, and is stored in the composed one', async () => {
  expect((await mustCreate({ name: 'Ge\u0301ne' })).apiKey.name).toBe('Géne')
  expect(await create({ name: 'Géne' })).toMatchObject({ __typename: 'ConflictError', path: ['input', 'name'] })
})

test('of two keys of one name that are created at the same time exactly one is', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => create({ name: 'race' })))
  const kinds = answers.map((answer) => answer?.__typename).sort()
  expect(kinds).toEqual([
    ...Array.from({ length: 1 }, () => 'ApiKeyCreatePayload'),
    ...Array.from({ length: 4 }, () => 'ConflictError'),
  ])
})

test.each([
  ['a scope that the catalogue lacks', ['orders:delete'], 0],
  ['a wildcard over nothing in the catalogue', ['orders:read', 'sales:*'], 1],
  ["a scope of another tenant's catalogue", ['foreign:read'], 0],
  ['what is no scope name', ['orders:read', 'No Scope'], 1],
  ['a wildcard over everything', ['*'], 0],
  ['NUL', ['orders:\u0000'], 0],
  ['a reserved name that stands for no permission', ['keyward:nothing:here'], 0],
])('%s cannot be held', async (_, scopes, index) => {
  expect(await create({ scopes })).toMatchObject({
    __typename: 'ValidationError',
    path: ['input', 'scopes', String(index)],
  })
})

test('a wildcard over a scope of the catalogue can be held, and a wildcard is part of no other name', async () => {
  expect((await mustCreate({ scopes: ['orders:*'] })).apiKey.scopes).toEqual(['orders:*'])
  expect(await create({ scopes: ['order:*'] })).toMatchObject({ __typename: 'ValidationError' })
})

/** An object that holds lists in lists, in that many levels. */
function nest(levels: number): { a: unknown } {
  let value: unknown = 'x'
  for (let level = 1; level < levels; level++) value = [value]
  return { a: value }
}

test.each([
  ['an empty name', { name: '' }, 'name'],
  ['a name with a line break', { name: 'a\nb' }, 'name'],
  ['a name with an invisible character', { name: 'a\u200bb' }, 'name'],
  ['a name that begins with a blank', { name: ' a' }, 'name'],
  ['a name of 10,000 characters', { name: 'x'.repeat(10_000) }, 'name'],
  ['a name that turns its text around', { name: 'a\u202eb' }, 'name'],
  ['a name that mixes letters which look alike', { name: 'sh\u043ep' }, 'name'],
  ['a name of 101 characters', { name: 'x'.repeat(101) }, 'name'],
  ['a description with NUL', { description: '\u0000' }, 'description'],
  ['a description of 1001 characters', { description: 'x'.repeat(1001) }, 'description'],
  ['an empty owner', { ownerId: '' }, 'ownerId'],
  ['an owner of 201 characters', { ownerId: 'x'.repeat(201) }, 'ownerId'],
  ['no days to live', { ttlDays: 0 }, 'ttlDays'],
  ['more than a century to live', { ttlDays: 36_501 }, 'ttlDays'],
  ['a time to live beside an expiry', { ttlDays: 1, expiresAt: '2099-01-01T00:00:00Z' }, 'ttlDays'],
  ['an expiry that is over', { expiresAt: '2001-01-01T00:00:00Z' }, 'expiresAt'],
  ['more scopes than a key can hold', { scopes: Array.from({ length: 201 }, () => 'orders:read') }, 'scopes'],
  ['metadata that are no object', { metadata: [1] }, 'metadata'],
  ['metadata of text', { metadata: 'text' }, 'metadata'],
  ['metadata with NUL', { metadata: { a: '\u0000' } }, 'metadata'],
  ['metadata with NUL in a name', { metadata: { 'a\u0000': 1 } }, 'metadata'],
  ['metadata with half a character', { metadata: { a: '\ud800' } }, 'metadata'],
  ['metadata of 33 levels', { metadata: nest(33) }, 'metadata'],
  ['private metadata that are no object', { privateMetadata: 'text' }, 'privateMetadata'],
  ['private metadata of 33 levels', { privateMetadata: nest(33) }, 'privateMetadata'],
  ['private metadata of more than 4 KiB', { privateMetadata: { a: 'x'.repeat(4096) } }, 'privateMetadata'],
  ['metadata of more than 4 KiB', { metadata: { a: 'x'.repeat(4096) } }, 'metadata'],
])('%s is refused', async (_, input, field) => {
  expect(await create(input)).toMatchObject({ __typename: 'ValidationError', path: ['input', field] })
})

test('metadata of a hundred thousand levels are refused like any other fault', async () => {
  const metadata = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const input = `{"tenantId":"${tenant.tenantId}","name":"deep","environment":"TEST","metadata":${metadata}}`
  const { status, text } = await sendRaw(app, '/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${developer.accessToken}` },
    body: `{"query":${JSON.stringify(ApiKeyCreate.toString())},"variables":{"input":${input}}}`,
  })
  expect(status).toBe(200)
  expect(JSON.parse(text).data.apiKeyCreate).toMatchObject({
    __typename: 'ValidationError',
    path: ['input', 'metadata'],
  })
})

test('an expiry of this very millisecond is over already, the next one is not', async () => {
  const at = (ms: number) => ({ expiresAt: new Date(app.clock.now() + ms).toISOString() })
  expect(await create(at(0))).toMatchObject({ __typename: 'ValidationError', path: ['input', 'expiresAt'] })
  await mustCreate(at(1))
})

test.each([
  '9999-12-31T23:59:59.999Z',
  '9999-12-31T23:59:59.999-12:00',
  '0000-01-01T00:00:00Z',
  '2099-02-30T00:00:00Z',
])('the expiry %s is taken or refused, and breaks nothing', async (expiresAt) => {
  const { data, errors } = await send({ expiresAt })
  const created = data?.apiKeyCreate
  if (created === undefined) expect(errors[0]?.extensions.code).toBe('QUERY_INVALID')
  else if (created.__typename === 'ApiKeyCreatePayload') {
    expect(created.apiKey.expiresAt).toBe(expiresAt)
    expect(await sendVerify(app, { key: created.token })).toMatchObject({ body: { valid: true, expiresAt } })
  } else expect(created).toMatchObject({ path: ['input', 'expiresAt'] })
})

test('metadata of exactly 4 KiB, a name of 100 characters and 200 scopes are taken', async () => {
  const padding = 4096 - JSON.stringify({ a: '' }).length
  await mustCreate({ metadata: { a: 'x'.repeat(padding) }, name: 'x'.repeat(100) })
  await mustCreate({ metadata: nest(32) })
  await mustCreate({ scopes: Array.from({ length: 200 }, () => 'orders:read') })
})

test('metadata keep what looks like an escape and is none', async () => {
  const metadata = { a: '\\u0000', b: '\\ud800' }
  const { token } = await mustCreate({ metadata })
  expect((await sendVerify(app, { key: token })).body.metadata).toEqual(metadata)
})

test('nobody can grant a permission that they do not hold, and the attempt is recorded', async () => {
  const scopes = ['keyward:verify']
  const refused = await send({ scopes }, { headers: { 'x-request-id': 'grant-1' } })
  expect(refused).toMatchObject({
    data: null,
    errors: [
      { message: 'Granting `keyward:verify` needs the permission `verify`.', extensions: { code: 'FORBIDDEN' } },
    ],
  })
  expect(await findAuditRecords(app, 'grant-1')).toMatchObject([
    {
      tenant_id: uuidOf(tenant.tenantId),
      action: 'authorization.rejected',
      outcome: 'DENIED',
      actor_id: uuidOf(developer.userId),
    },
  ])
  expect(await findOutboxRecords(app, 'grant-1')).toEqual([])

  expect((await mustCreate({ scopes }, { token: owner.accessToken })).apiKey.scopes).toEqual(scopes)
})

test('a wildcard over permissions is granted by whom all of them are held', async () => {
  const scopes = ['keyward:*']
  expect(await send({ scopes }, { token: owner.accessToken })).toMatchObject({
    errors: [{ extensions: { code: 'FORBIDDEN' } }],
  })
  const tenantId = await findPlatformTenantId(app)
  expect((await mustCreate({ scopes, tenantId }, { token: adminToken })).apiKey.scopes).toEqual(scopes)
})
