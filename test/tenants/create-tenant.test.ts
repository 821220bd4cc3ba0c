import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TenantCreateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyCreate, TenantCreate } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import { findViewerId, seedAdmin, uniqueName, uuidOf } from '../harness/seed.ts'

let app: TestApp
let accessToken: string

beforeAll(async () => {
  app = await startTestApp()
  accessToken = (await seedAdmin(app)).accessToken
})
afterAll(() => app.stop())

async function create(input: Partial<TenantCreateInput>, headers: Record<string, string> = {}) {
  const slug = uniqueName()
  const variables = { input: { name: 'Umbrella', slug, keyPrefix: 'umb', ...input } }
  const answer = await sendGraphQL(app, TenantCreate, variables, accessToken, headers)
  expect(answer.errors).toEqual([])
  return answer.data?.tenantCreate
}

test('a tenant is created, recorded in its own log and told to whoever listens', async () => {
  const headers = { 'x-request-id': 'tenant-1', 'user-agent': 'a browser' }
  const created = await create({ slug: 'umbrella', timeZone: 'Europe/Berlin' }, headers)
  if (created?.__typename !== 'TenantCreatePayload') throw new Error(JSON.stringify(created))
  expect(created.tenant).toEqual({
    id: expect.stringMatching(/^tnt_[0-9a-f]{32}$/),
    slug: 'umbrella',
    name: 'Umbrella',
    keyPrefix: 'umb',
    timeZone: 'Europe/Berlin',
    status: 'ACTIVE',
  })

  const tenantId = uuidOf(created.tenant.id)
  expect(await findAuditRecords(app, 'tenant-1')).toEqual([
    {
      tenant_id: tenantId,
      action: 'tenant.created',
      outcome: 'SUCCESS',
      actor_kind: 'USER',
      actor_id: uuidOf(await findViewerId(app, accessToken)),
      resource_type: 'Tenant',
      resource_id: created.tenant.id,
      detail: { after: { name: 'Umbrella', slug: 'umbrella', keyPrefix: 'umb', timeZone: 'Europe/Berlin' } },
      occurred_at: new Date(app.clock.now()),
      ip: '127.0.0.1',
      user_agent: 'a browser',
      correlation_id: 'tenant-1',
    },
  ])
  expect(await findOutboxRecords(app, 'tenant-1')).toEqual([
    {
      tenant_id: tenantId,
      type: 'tenant.created',
      payload: { tenantId: created.tenant.id, slug: 'umbrella' },
      occurred_at: new Date(app.clock.now()),
      correlation_id: 'tenant-1',
      dispatched_at: null,
    },
  ])
})

test('without a time zone the days of a tenant are those of UTC', async () => {
  expect(await create({})).toMatchObject({ tenant: { timeZone: 'UTC' } })
  expect(await create({ timeZone: null })).toMatchObject({ tenant: { timeZone: 'UTC' } })
})

test('a slug that is taken is a conflict that names it, and leaves nothing behind', async () => {
  const slug = uniqueName()
  await create({ slug })
  expect(await create({ slug }, { 'x-request-id': 'tenant-twice' })).toEqual({
    __typename: 'ConflictError',
    code: 'CONFLICT',
    message: `There is a tenant with the slug \`${slug}\` already.`,
    path: ['input', 'slug'],
  })
  expect(await findAuditRecords(app, 'tenant-twice')).toEqual([])
  expect(await findOutboxRecords(app, 'tenant-twice')).toEqual([])
})

test('two tenants may share a key prefix, and each verifies its own keys', async () => {
  const tenants = [await create({ keyPrefix: 'shared' }), await create({ keyPrefix: 'shared' })]
  for (const created of tenants) {
    if (created?.__typename !== 'TenantCreatePayload') throw new Error(JSON.stringify(created))
    const input = { tenantId: created.tenant.id, name: 'k', environment: 'TEST' } as const
    const { data } = await sendGraphQL(app, ApiKeyCreate, { input }, accessToken)
    if (data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(data))
    expect(data.apiKeyCreate.token).toMatch(/^shared_test_/)
    const { body } = await sendVerify(app, { key: data.apiKeyCreate.token })
    expect(body).toMatchObject({ valid: true, tenantId: created.tenant.id })
  }
})

test('every fault of the input is told at once, the first one as the path', async () => {
  const document = `mutation ($input: TenantCreateInput!) {
    tenantCreate(input: $input) { ... on ValidationError { code path message issues { path message } } }
  }`
  const input = { name: ' ', slug: 'No Slug', keyPrefix: 'kw' }
  const { data } = await sendGraphQL(app, document, { input }, accessToken)
  expect(data).toEqual({
    tenantCreate: {
      code: 'VALIDATION_FAILED',
      path: ['input', 'name'],
      message: 'input.name: must not begin or end with a blank',
      issues: [
        { path: ['input', 'name'], message: 'must not begin or end with a blank' },
        {
          path: ['input', 'slug'],
          message: 'must be lower-case letters and digits in words joined by single hyphens, at most 63 characters',
        },
        { path: ['input', 'keyPrefix'], message: "`kw` is the platform's own" },
      ],
    },
  })
})

test.each([
  ['an empty name', { name: '' }, 'name'],
  ['a name with a line break', { name: 'a\nb' }, 'name'],
  ['a name with NUL', { name: 'a\u0000b' }, 'name'],
  ['a name that turns the text around it', { name: 'a\u202eb' }, 'name'],
  ['a name with half a character', { name: 'a\ud800b' }, 'name'],
  ['a name of 101 characters', { name: 'x'.repeat(101) }, 'name'],
  ['an empty slug', { slug: '' }, 'slug'],
  ['a slug that ends with a hyphen', { slug: 'a-' }, 'slug'],
  ['a slug with two hyphens in a row', { slug: 'a--b' }, 'slug'],
  ['a slug of 64 characters', { slug: 'x'.repeat(64) }, 'slug'],
  ['a slug with a Cyrillic letter', { slug: 'аcme' }, 'slug'],
  ['a prefix of one letter', { keyPrefix: 'a' }, 'keyPrefix'],
  ['a prefix that begins with a digit', { keyPrefix: '1a' }, 'keyPrefix'],
  ['a prefix of 17 characters', { keyPrefix: 'a'.repeat(17) }, 'keyPrefix'],
  ['a prefix with a separator', { keyPrefix: 'a_b' }, 'keyPrefix'],
])('%s is refused', async (_, input, field) => {
  expect(await create(input)).toMatchObject({ __typename: 'ValidationError', path: ['input', field] })
})

const NO_ZONES = ['Mars/Olympus', '', '+25:00', '+05:00', 'JST', 'Europe/Berlin\u0000']

test.each(NO_ZONES)('the time zone %j is refused', async (timeZone) => {
  const variables = { input: { name: 'U', slug: uniqueName(), keyPrefix: 'umb', timeZone } }
  const { data, errors } = await sendGraphQL(app, TenantCreate, variables, accessToken)
  const code = errors[0]?.extensions.code ?? (data?.tenantCreate as { code?: string } | undefined)?.code
  expect(['QUERY_INVALID', 'VALIDATION_FAILED']).toContain(code)
})

test('names of 100 characters in any script are kept as they are', async () => {
  const name = '漢'.repeat(100)
  expect(await create({ name })).toMatchObject({ tenant: { name } })
})
