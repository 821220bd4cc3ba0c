import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ScopesFromOpenApi } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'
import { openApi, PETSTORE } from './documents.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
beforeEach(async () => {
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

async function importApi(document: string, namespace = 'petstore'): Promise<void> {
  const variables = { input: { tenantId: tenant.tenantId, namespace, document, import: true } }
  const { data, errors } = await sendGraphQL(app, ScopesFromOpenApi, variables, admin.accessToken)
  expect(errors).toEqual([])
  expect(data?.scopesFromOpenApi.__typename).toBe('ScopesFromOpenApiPayload')
}

async function verify(key: string, method: string, path: string, more: Record<string, unknown> = {}) {
  return (await sendVerify(app, { key, requireOperationScope: true, method, path, ...more })).body
}

test('a request needs the scope of the imported operation that its method and path name', async () => {
  await importApi(PETSTORE)
  const { token } = await tenant.key({ scopes: ['petstore:pet:read', 'petstore:store:*'] })
  expect(await verify(token, 'GET', '/pet/7')).toMatchObject({ code: 'VALID' })
  expect(await verify(token, 'GET', '/api/v3/pet/findByStatus?status=sold')).toMatchObject({ code: 'VALID' })
  expect(await verify(token, 'DELETE', '/api/v3/store/order/7')).toMatchObject({ code: 'VALID' })
  expect(await verify(token, 'DELETE', '/pet/7')).toMatchObject({
    code: 'INSUFFICIENT_SCOPE',
    missingScopes: ['petstore:pet:delete'],
  })
  expect(await verify(token, 'GET', '/pet/7', { scopes: ['petstore:user:read'] })).toMatchObject({
    code: 'INSUFFICIENT_SCOPE',
    missingScopes: ['petstore:user:read'],
  })
})

test('what no operation matches is denied, and so is what does not say its method and path', async () => {
  const { token } = await tenant.key()
  const denied = { code: 'INSUFFICIENT_SCOPE', detail: 'No imported operation has this method and path.' }
  expect(await verify(token, 'GET', '/pet/7')).toMatchObject(denied)
  await importApi(PETSTORE)
  expect(await verify(token, 'GET', '/nowhere')).toMatchObject(denied)
  expect((await sendVerify(app, { key: token, requireOperationScope: true })).body).toMatchObject(denied)
})

test('an import counts on the very next verification, replaces its own namespace and leaves others', async () => {
  await importApi(openApi({ 'GET /pets': {} }))
  const { token } = await tenant.key({ scopes: ['petstore:pets:read'] })
  expect(await verify(token, 'GET', '/pets')).toMatchObject({ code: 'VALID' })
  await importApi(openApi({ 'GET /orders': {} }), 'shop')
  expect(await verify(token, 'GET', '/pets')).toMatchObject({ code: 'VALID' })
  expect(await verify(token, 'GET', '/orders')).toMatchObject({ missingScopes: ['shop:orders:read'] })
  await importApi(openApi({ 'GET /cats': {} }))
  expect(await verify(token, 'GET', '/pets')).not.toHaveProperty('missingScopes')
  expect(await verify(token, 'GET', '/cats')).toMatchObject({ missingScopes: ['petstore:cats:read'] })
})

test('the operations of one tenant say nothing about the keys of another', async () => {
  await importApi(openApi({ 'GET /pets': {} }))
  tenant = await admin.tenant()
  const { token } = await tenant.key()
  expect(await verify(token, 'GET', '/pets')).toMatchObject({ code: 'INSUFFICIENT_SCOPE' })
  expect(await verify(token, 'GET', '/pets')).not.toHaveProperty('missingScopes')
})

test('operations are read once for all keys of a tenant', async () => {
  await importApi(openApi({ 'GET /pets': {} }))
  const keys = [await tenant.key(), await tenant.key()]
  const before = app.statements.length
  for (const { token } of [...keys, ...keys]) await verify(token, 'GET', '/pets')
  const reads = app.statements.slice(before).filter((sql) => sql.includes('openapi_operations'))
  expect(reads).toHaveLength(1)
})
