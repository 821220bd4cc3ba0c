import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ScopesFromOpenApiInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { OpenApiAnalysis, Scopes, ScopesFromOpenApi, ScopeUpdate } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'
import { openApi, PETSTORE } from './documents.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
let server: Server
let baseUrl: string
/** Answers that a test holds back. */
const waiting: ServerResponse[] = []

beforeAll(async () => {
  server = createServer((req, res) => {
    if (req.url === '/petstore.yaml') res.end(PETSTORE)
    else if (req.url === '/inside') res.writeHead(302, { location: 'http://10.0.0.1/' }).end()
    else if (req.url === '/large') res.end('x'.repeat(16 * 1024 * 1024 + 1))
    else if (req.url === '/waits') waiting.push(res)
    else res.end('{"a": 1}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  app = await startTestApp({ env: { OUTBOUND_ALLOWED_RANGES: '127.0.0.1' } })
  admin = await seedAdmin(app)
})
beforeEach(async () => {
  tenant = await admin.tenant()
})
afterAll(async () => {
  await app.stop()
  server.closeAllConnections()
  server.close()
})

async function generate(input: Partial<ScopesFromOpenApiInput>) {
  const variables = { input: { tenantId: tenant.tenantId, namespace: 'petstore', ...input } }
  const { data, errors } = await sendGraphQL(app, ScopesFromOpenApi, variables, admin.accessToken)
  expect(errors).toEqual([])
  return data?.scopesFromOpenApi
}

async function listScopes() {
  const variables = { tenantId: tenant.tenantId, first: 100 }
  return (await sendGraphQL(app, Scopes, variables, admin.accessToken)).data?.scopes.nodes ?? []
}

describe('scopes from an OpenAPI document', () => {
  test('are generated and kept nowhere unless they are to be imported', async () => {
    const records = await recordsOf(app, tenant.tenantId, async () => {
      const generated = await generate({ document: PETSTORE })
      expect(generated).toMatchObject({
        title: 'Swagger Petstore - OpenAPI 3.0',
        version: '1.0.27-SNAPSHOT',
        operationCount: 19,
        warnings: [],
        imported: null,
      })
      expect(generated).toHaveProperty('scopes.length', 12)
    })
    expect(records.audit).toMatchObject([{ action: 'openapi.generated', detail: { strategy: 'PATH_RESOURCE' } }])
    expect(await listScopes()).toEqual([])
  })

  test('are imported, and a second time skipped', async () => {
    const records = await recordsOf(app, tenant.tenantId, async () => {
      const generated = await generate({ document: PETSTORE, import: true })
      expect(generated).toMatchObject({ imported: { created: 12, updated: 0, skipped: 0, failed: 0 } })
    })
    expect(records.audit).toMatchObject([
      { action: 'openapi.imported', detail: { namespace: 'petstore', operationCount: 19, created: 12 } },
    ])
    expect((await listScopes()).map(({ name }) => name)).toContain('petstore:pet:*')
    expect(await generate({ document: PETSTORE, import: true })).toMatchObject({ imported: { skipped: 12 } })
  })

  test('do not switch on again what somebody switched off', async () => {
    await generate({ document: openApi({ 'GET /pets': {} }), import: true })
    const [scope] = (await listScopes()).filter(({ name }) => name === 'petstore:pets:read')
    const variables = { id: scope?.id ?? '', input: { active: false } }
    await sendGraphQL(app, ScopeUpdate, variables, admin.accessToken)
    const changed = openApi({ 'GET /pets': {}, 'GET /pets/{id}': {} })
    expect(await generate({ document: changed, import: true })).toMatchObject({ imported: { updated: 1, skipped: 1 } })
    expect(await listScopes()).toContainEqual(
      expect.objectContaining({ name: 'petstore:pets:read', active: false, description: 'GET /pets, GET /pets/{id}' }),
    )
  })

  test('follow strategy, wildcards and actions', async () => {
    const document = openApi({ 'POST /pets': { operationId: 'addPet' } })
    const names = async (input: Partial<ScopesFromOpenApiInput>) => {
      const generated = await generate({ document, ...input })
      if (generated?.__typename !== 'ScopesFromOpenApiPayload') throw new Error(JSON.stringify(generated))
      return generated.scopes.map(({ name }) => name)
    }
    expect(await names({ wildcards: false, actions: [{ method: 'POST', action: 'create' }] })).toEqual([
      'petstore:pets:create',
    ])
    expect(await names({ strategy: 'OPERATION_ID' })).toEqual(['petstore:add_pet:execute'])
  })

  test('come from a URL too', async () => {
    expect(await generate({ url: `${baseUrl}/petstore.yaml` })).toMatchObject({ operationCount: 19 })
  })

  test.each<[string, () => Partial<ScopesFromOpenApiInput>, string, RegExp]>([
    ['no document', () => ({}), 'document', /either/],
    ['a document and a URL', () => ({ document: PETSTORE, url: `${baseUrl}/` }), 'document', /either/],
    ['a document that is none', () => ({ document: 'hello' }), 'document', /no object/],
    ['a URL with a document that is none', () => ({ url: `${baseUrl}/` }), 'url', /neither/],
    ['a URL with too large a document', () => ({ url: `${baseUrl}/large` }), 'url', /more than 16777216 bytes/],
    ['a private URL', () => ({ url: 'https://192.168.0.1/' }), 'url', /public address/],
    ['a URL that redirects to a private one', () => ({ url: `${baseUrl}/inside` }), 'url', /public address/],
    ['an empty namespace', () => ({ document: PETSTORE, namespace: '' }), 'namespace', /1 to 40/],
    ['a namespace with a colon', () => ({ document: PETSTORE, namespace: 'a:b' }), 'namespace', /1 to 40/],
    ['the reserved namespace', () => ({ document: PETSTORE, namespace: 'keyward' }), 'namespace', /reserved/],
    [
      'an action that no segment can be',
      () => ({ document: PETSTORE, actions: [{ method: 'GET', action: 'a:b' }] }),
      'actions',
      /1 to 30/,
    ],
    [
      'a method that OpenAPI does not have',
      () => ({ document: PETSTORE, actions: [{ method: 'COPY', action: 'copy' }] }),
      'actions',
      /method of OpenAPI/,
    ],
    [
      'a method that is named twice',
      () => ({ document: PETSTORE, actions: ['read', 'list'].map((action) => ({ method: 'GET', action })) }),
      'actions',
      /has an action already/,
    ],
  ])('are refused for %s', async (_, input, field, message) => {
    const refused = await generate(input())
    expect(refused).toMatchObject({ code: 'VALIDATION_FAILED', message: expect.stringMatching(message) })
    expect(refused).toHaveProperty(['path', 1], field)
  })

  test('may come from a document of 16 MiB, and from none that is larger', async () => {
    const padded = (bytes: number) => PETSTORE + '#'.repeat(bytes - PETSTORE.length)
    expect(await generate({ document: padded(16 * 1024 * 1024) })).toMatchObject({ operationCount: 19 })
    expect(await generate({ document: padded(16 * 1024 * 1024 + 1) })).toMatchObject({ code: 'VALIDATION_FAILED' })
  })
})

test('an analysis counts for each strategy what would come of it, and changes nothing', async () => {
  const document = openApi({ 'GET /pets': { operationId: 'listPets', tags: ['a'] }, 'POST /pets': {} })
  const variables = { input: { tenantId: tenant.tenantId, document } }
  const { data, errors } = await sendGraphQL(app, OpenApiAnalysis, variables, admin.accessToken)
  expect(errors).toEqual([])
  expect(data?.openApiAnalysis).toEqual({
    title: 'Pets',
    version: '7',
    operationCount: 2,
    strategies: [
      { strategy: 'PATH_RESOURCE', scopeCount: 3, wildcardCount: 1, skippedOperationCount: 0, warnings: [] },
      { strategy: 'PATH_METHOD', scopeCount: 2, wildcardCount: 0, skippedOperationCount: 0, warnings: [] },
      { strategy: 'TAG', scopeCount: 2, wildcardCount: 0, skippedOperationCount: 0, warnings: [] },
      {
        strategy: 'OPERATION_ID',
        scopeCount: 1,
        wildcardCount: 0,
        skippedOperationCount: 1,
        warnings: ['POST /pets has no operationId, and so no scope.'],
      },
    ],
  })
  expect(await listScopes()).toEqual([])
  const bad = { input: { tenantId: tenant.tenantId, document: 'hello' } }
  expect(readCode(await sendGraphQL(app, OpenApiAnalysis, bad, admin.accessToken))).toBe('VALIDATION_FAILED')
})

test('no more documents are fetched at once than a few, and who comes after those is told to come again', async () => {
  const variables = { input: { tenantId: tenant.tenantId, namespace: 'petstore', url: `${baseUrl}/waits` } }
  const unavailable = [{ extensions: { code: 'UNAVAILABLE', retryAfterSeconds: 5 } }]
  // They overtake each other on their way, so nobody knows beforehand who comes too late.
  const sent = Array.from({ length: 16 }, () => sendGraphQL(app, ScopesFromOpenApi, variables, admin.accessToken))
  const refused = await Promise.race(sent)
  expect(refused.errors).toMatchObject(unavailable)
  await expect.poll(() => waiting.length).toBe(4)
  const answering = setInterval(() => waiting.pop()?.end(PETSTORE), 5)
  const answers = await Promise.all(sent).finally(() => clearInterval(answering))
  const read = answers.filter(({ errors }) => errors.length === 0)
  expect(read.length).toBeGreaterThanOrEqual(12)
  for (const { data } of read) expect(data?.scopesFromOpenApi).toMatchObject({ operationCount: 19 })
  for (const { errors } of answers) if (errors.length > 0) expect(errors).toMatchObject(unavailable)
})
