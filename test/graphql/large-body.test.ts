import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { type HttpAnswer, send, sendGraphQL } from '../harness/client.ts'
import { ApiKeyCreate, OpenApiAnalysis, ScopesFromOpenApi, ScopesImport } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'
import { openApi } from '../openapi/documents.ts'

const LARGE = 2 * 1024 * 1024

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})
afterEach(() => {
  vi.restoreAllMocks()
})
afterAll(() => app.stop())

function post(body: string | Uint8Array<ArrayBuffer>): Promise<HttpAnswer> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${admin.accessToken}` }
  return send(app, '/graphql', { method: 'POST', headers, body })
}

function expectProblem({ status, text }: HttpAnswer, code: string): void {
  expect(status).toBe(400)
  expect(JSON.parse(text)).toMatchObject({ code })
}

/** A document of two operations and much prose. */
function largeDocument(prose: string): string {
  const description = prose.repeat(Math.ceil(LARGE / prose.length))
  return openApi({ 'GET /pets': {}, 'POST /pets': { description } })
}

test('no body of megabytes is parsed by the thread that answers verifications', async () => {
  const parse = vi.spyOn(JSON, 'parse')
  const variables = { input: { tenantId: tenant.tenantId, document: largeDocument('words ') } }
  const { data } = await sendGraphQL(app, OpenApiAnalysis, variables, admin.accessToken)
  expect(data?.openApiAnalysis).toMatchObject({ operationCount: 2 })
  const lengths = parse.mock.calls.map(([text]) => text.length)
  expect(lengths).not.toEqual([])
  expect(Math.max(...lengths)).toBeLessThan(LARGE)
})

test.each([
  ['of ASCII', 'words '],
  ['of Latin-1', 'Wörter '],
  ['of any script', '言葉 \u{1f511} '],
  ['with half a character', 'words \ud83d '],
  ['with what JSON escapes', 'a\n"\\\u0000\u2028 '],
])('a large document %s is read like a small one', async (_, prose) => {
  const variables = { input: { tenantId: tenant.tenantId, namespace: 'shop', document: largeDocument(prose) } }
  const { data, errors } = await sendGraphQL(app, ScopesFromOpenApi, variables, admin.accessToken)
  expect(errors).toEqual([])
  expect(data?.scopesFromOpenApi).toMatchObject({ operationCount: 2, scopes: { length: 3 } })
})

test('a large document can be asked about several times in one request', async () => {
  const query = `query Twice($input: OpenApiAnalysisInput!, $tenant: ID!, $text: String!) {
    one: openApiAnalysis(input: $input) { operationCount }
    two: openApiAnalysis(input: $input) { operationCount }
    three: openApiAnalysis(input: { tenantId: $tenant, document: $text }) { operationCount }
  }`
  const [document, text] = [largeDocument('words '), largeDocument('other words ')]
  const variables = { input: { tenantId: tenant.tenantId, document }, tenant: tenant.tenantId, text }
  const answer = await post(JSON.stringify({ query, variables }))
  const two = { operationCount: 2 }
  expect(JSON.parse(answer.text)).toMatchObject({ data: { one: two, two, three: two } })
})

test('a long text is itself wherever it stands', async () => {
  const name = 'x'.repeat(LARGE)
  const input = { tenantId: tenant.tenantId, name, environment: 'PRODUCTION' as const, scopes: [] }
  const { data } = await sendGraphQL(app, ApiKeyCreate, { input }, admin.accessToken)
  expect(data?.apiKeyCreate).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'name'] })
  const scopes = [{ name: 'shop:pets:read', description: name }, { name: 'shop:pets:write' }]
  const imported = { tenantId: tenant.tenantId, document: { note: name, scopes }, dryRun: true }
  const rows = (await sendGraphQL(app, ScopesImport, { input: imported }, admin.accessToken)).data?.scopesImport
  expect(rows).toMatchObject({ rows: [{ status: 'FAILED' }, { status: 'CREATED' }] })
})

test('a large body that is none that GraphQL takes is refused in the words used for a small one', async () => {
  const padding = ' '.repeat(LARGE)
  const text = 'x'.repeat(LARGE)
  expectProblem(await post(`{"query":"{__typename}"${padding}`), 'MALFORMED_BODY')
  expectProblem(await post(padding), 'MALFORMED_BODY')
  expectProblem(await post(`[{"query":"{__typename}"}]${padding}`), 'VALIDATION_FAILED')
  expectProblem(await post(`{"query":1}${padding}`), 'VALIDATION_FAILED')
  expectProblem(await post(`null${padding}`), 'VALIDATION_FAILED')
  expectProblem(await post(JSON.stringify({ query: '{__typename}', quarry: text })), 'VALIDATION_FAILED')
  expectProblem(await post(Uint8Array.from(Buffer.from(`{"query":"\u00ff"}${padding}`, 'latin1'))), 'MALFORMED_BODY')
  expect(JSON.parse((await post(JSON.stringify({ query: `{__typename} #${text}` }))).text)).toMatchObject({
    errors: [{ extensions: { code: 'QUERY_TOO_COMPLEX' } }],
  })
})

test('a large body that is nested too deeply is refused, and the next one is read', async () => {
  const depth = LARGE / 2
  const nested = `{"query":"{__typename}","variables":{"x":${'['.repeat(depth)}${']'.repeat(depth)}}}`
  expectProblem(await post(nested), 'MALFORMED_BODY')
  const plain = JSON.stringify({ query: '{__typename}', variables: { x: 'x'.repeat(LARGE) } })
  expect(JSON.parse((await post(plain)).text)).toMatchObject({ data: { __typename: 'Query' } })
})

test('no name of a member reaches what all objects have in common', async () => {
  const text = JSON.stringify('x'.repeat(LARGE))
  const names = `"__proto__":{"polluted":${text}},"constructor":{"prototype":{"polluted":${text}}}`
  await post(`{"query":"{__typename}","variables":{${names}}}`)
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  expect(Object.hasOwn(Object, 'polluted')).toBe(false)
})
