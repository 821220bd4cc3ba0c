import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { OpenApiOperations, ScopesFromOpenApi } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'
import { openApi } from './documents.ts'

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

async function importApi(namespace: string, document: string): Promise<void> {
  const variables = { input: { tenantId: tenant.tenantId, namespace, document, import: true } }
  const { data } = await sendGraphQL(app, ScopesFromOpenApi, variables, admin.accessToken)
  expect(data?.scopesFromOpenApi.__typename).toBe('ScopesFromOpenApiPayload')
}

async function list(first = 100, after: string | null = null) {
  const variables = { tenantId: tenant.tenantId, first, after }
  const { data, errors } = await sendGraphQL(app, OpenApiOperations, variables, admin.accessToken)
  expect(errors).toEqual([])
  if (!data) throw new Error('There is no list.')
  return data.openApiOperations
}

test('the operations of a tenant are listed with what each one needs, and none before an import', async () => {
  expect(await list()).toMatchObject({ totalCount: 0, nodes: [] })
  const servers = { servers: [{ url: 'https://api.example.com/v1' }] }
  await importApi('shop', openApi({ 'GET /pets': {}, 'DELETE /pets/{id}': {} }, servers))
  const importedAt = new Date(app.clock.now()).toISOString()
  const common = { namespace: 'shop', basePath: '/v1', importedAt }
  expect(await list()).toMatchObject({
    totalCount: 2,
    nodes: [
      { ...common, method: 'GET', path: '/pets', scope: 'shop:pets:read' },
      { ...common, method: 'DELETE', path: '/pets/{id}', scope: 'shop:pets:delete' },
    ],
  })
  tenant = await admin.tenant()
  expect(await list()).toMatchObject({ totalCount: 0, nodes: [] })
})

test('an import replaces those of its namespace in the list and leaves others', async () => {
  await importApi('shop', openApi({ 'GET /pets': {} }))
  await importApi('bank', openApi({ 'GET /accounts': {} }))
  await importApi('shop', openApi({ 'POST /orders': {} }))
  const { nodes } = await list()
  expect(nodes.map(({ scope }) => scope)).toEqual(['bank:accounts:read', 'shop:orders:write'])
})

test('a list that is read page by page has every operation once', async () => {
  const long = '\u20ac'.repeat(900)
  const operations = Array.from({ length: 25 }, (_, index) => `GET /part${10 + index}/${long}`)
  const shuffled = [...operations.slice(7), ...operations.slice(0, 7)]
  await importApi('shop', openApi(Object.fromEntries(shuffled.map((operation) => [operation, {}]))))
  const seen: string[] = []
  let after: string | null = null
  for (let page = 0; page < 3; page++) {
    const { totalCount, nodes, pageInfo } = await list(10, after)
    expect(totalCount).toBe(25)
    expect(pageInfo.hasNextPage).toBe(page < 2)
    seen.push(...nodes.map(({ method, path }) => `${method} ${path}`))
    after = pageInfo.endCursor
  }
  expect(seen).toEqual(operations)
})

test('a page begins at no cursor but those that the list gave out', async () => {
  const variables = { tenantId: tenant.tenantId, first: 1, after: 'nowhere' }
  expect(readCode(await sendGraphQL(app, OpenApiOperations, variables, admin.accessToken))).toBe('VALIDATION_FAILED')
})
