import { afterAll, beforeAll, expect, test } from 'vitest'
import { graphql } from '../generated/graphql/gql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyDisable, ApiKeyRevoke } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  for (const name of ['a:b:c', 'a:b:d', 'a:b:*', 'x:y']) await tenant.scope(name)
})
afterAll(() => app.stop())

const ScopeKeyCounts = graphql(`
  query ScopeKeyCounts($tenantId: ID!) { scopes(tenantId: $tenantId) { nodes { name keyCount } } }
`)

async function countsOf({ tenantId }: TenantSeed, token = admin.accessToken, codes: readonly string[] = []) {
  const { data, errors } = await sendGraphQL(app, ScopeKeyCounts, { tenantId }, token)
  expect(errors.map(({ extensions }) => extensions.code)).toEqual(codes)
  return Object.fromEntries((data?.scopes.nodes ?? []).map(({ name, keyCount }) => [name, keyCount]))
}

test('a scope tells how many keys hold it, by its name or a wildcard, each key once', async () => {
  expect(await countsOf(tenant)).toEqual({ 'a:b:c': 0, 'a:b:d': 0, 'a:b:*': 0, 'x:y': 0 })
  await tenant.key({ scopes: ['a:b:c'] })
  await tenant.key({ scopes: ['a:b:c', 'a:b:*', 'a:*'] })
  await tenant.key({ scopes: ['a:*'] })
  await tenant.key({ scopes: ['a:b:d', 'x:y'] })
  expect(await countsOf(tenant)).toEqual({ 'a:b:c': 3, 'a:b:d': 3, 'a:b:*': 2, 'x:y': 1 })
})

test('a disabled key still holds its scopes, a revoked one does not', async () => {
  const own = await admin.tenant()
  await own.scope('a:b')
  const ids = [await own.key({ scopes: ['a:b'] }), await own.key({ scopes: ['a:b'] })].map(({ apiKeyId }) => apiKeyId)
  await sendGraphQL(app, ApiKeyDisable, { id: ids[0] ?? '' }, admin.accessToken)
  await sendGraphQL(app, ApiKeyRevoke, { id: ids[1] ?? '', input: { reason: 'x' } }, admin.accessToken)
  expect(await countsOf(own)).toEqual({ 'a:b': 1 })
})

test("another tenant's keys are not counted, whatever its scopes are called", async () => {
  const other = await admin.tenant()
  await other.scope('x:y')
  await other.key({ scopes: ['x:y'] })
  expect(await countsOf(other)).toEqual({ 'x:y': 1 })
  expect(await countsOf(tenant)).toMatchObject({ 'x:y': 1 })
})

test('a machine that may not see keys is told no number, and why', async () => {
  const own = await admin.tenant()
  await own.scope('a:b')
  await own.key({ scopes: ['a:b'] })
  const blind = await own.key({ scopes: ['keyward:scopes:read'] })
  const seeing = await own.key({ scopes: ['keyward:scopes:read', 'keyward:keys:read'] })
  expect(await countsOf(own, blind.token, ['FORBIDDEN'])).toEqual({ 'a:b': null })
  expect(await countsOf(own, seeing.token)).toEqual({ 'a:b': 1 })
})

test('a number is that of the moment of asking, also twice in one request', async () => {
  const own = await admin.tenant()
  const scopeId = await own.scope('a:b')
  const document = `mutation ($scopeId: ID!, $key: ApiKeyCreateInput!) {
    before: scopeUpdate(id: $scopeId, input: { description: "1" }) { ... on ScopeUpdatePayload { scope { keyCount } } }
    apiKeyCreate(input: $key) { __typename }
    after: scopeUpdate(id: $scopeId, input: { description: "2" }) { ... on ScopeUpdatePayload { scope { keyCount } } }
  }`
  const key = { tenantId: own.tenantId, name: 'holder', environment: 'TEST', scopes: ['a:b'] }
  const { data } = await sendGraphQL<object, object>(app, document, { scopeId, key }, admin.accessToken)
  expect(data).toMatchObject({ before: { scope: { keyCount: 0 } }, after: { scope: { keyCount: 1 } } })
})
