import { describe, expect, test } from 'vitest'
import { type GenerateOptions, generateScopes, STRATEGIES } from '../../src/openapi/generate-scopes.ts'
import { readOpenApi } from '../../src/openapi/read-openapi.ts'
import { openApi, PETSTORE } from './documents.ts'

async function namesOf(document: string, options: Partial<GenerateOptions> = {}): Promise<string[]> {
  const summary = await readOpenApi(document)
  return generateScopes(summary, { strategy: 'PATH_RESOURCE', namespace: 'ns', ...options }).scopes.map(
    ({ name }) => name,
  )
}

describe('the petstore', async () => {
  const summary = await readOpenApi(PETSTORE)

  test('has exactly twelve scopes by resource', async () => {
    expect(await namesOf(PETSTORE, { namespace: 'petstore' })).toEqual(
      ['pet', 'store', 'user'].flatMap((resource) =>
        ['*', 'delete', 'read', 'write'].map((action) => `petstore:${resource}:${action}`),
      ),
    )
  })

  test.each(STRATEGIES)('is the same as ever by %s', (strategy) => {
    expect(generateScopes(summary, { strategy, namespace: 'petstore' })).toMatchSnapshot()
  })

  test('needs one scope of those for each operation', () => {
    for (const strategy of STRATEGIES) {
      const { scopes, operations } = generateScopes(summary, { strategy, namespace: 'petstore' })
      expect(operations).toHaveLength(19)
      const names = new Set(scopes.map(({ name }) => name))
      expect(operations.filter(({ scope }) => !names.has(scope))).toEqual([])
    }
  })
})

describe('a resource', () => {
  test('is the first segment that is no parameter, in lower case, with _ for what scopes do not hold', async () => {
    const operations = {
      'GET /{shop}/petOrders/{id}': {},
      'GET /a.b~c/x': {},
      'GET /%C3%A4pfel': {},
      'GET /kebab-case': {},
    }
    expect(await namesOf(openApi(operations), { wildcards: false })).toEqual([
      'ns:_pfel:read',
      'ns:a_b_c:read',
      'ns:kebab-case:read',
      'ns:petorders:read',
    ])
  })

  test('comes behind what all paths share to name the API and its version', async () => {
    const shared = { 'GET /api/v1/pets': {}, 'GET /api/v2/orders/{id}': {} }
    expect(await namesOf(openApi(shared), { wildcards: false })).toEqual(['ns:orders:read', 'ns:pets:read'])
    const unshared = { 'GET /api/pets': {}, 'GET /health': {} }
    expect(await namesOf(openApi(unshared), { wildcards: false })).toEqual(['ns:api:read', 'ns:health:read'])
  })

  test('comes behind the base path of the server, where paths repeat it', async () => {
    const servers = { servers: [{ url: 'https://example.com/shop/' }] }
    const operations = { 'GET /shop/pets': {}, 'GET /shop': {} }
    expect(await namesOf(openApi(operations, servers), { wildcards: false })).toEqual(['ns:pets:read', 'ns:root:read'])
  })

  test('of nothing but parameters is root', async () => {
    expect(await namesOf(openApi({ 'DELETE /{id}': {}, 'GET /': {} }))).toEqual([
      'ns:root:*',
      'ns:root:delete',
      'ns:root:read',
    ])
  })
})

test('every method has its action, and can have another one', async () => {
  const methods = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'POST', 'PUT', 'PATCH', 'DELETE']
  const document = openApi(Object.fromEntries(methods.map((method) => [`${method} /${method.toLowerCase()}`, {}])))
  const actions = { POST: 'create' }
  expect(await namesOf(document, { wildcards: false })).toEqual([
    'ns:delete:delete',
    'ns:get:read',
    'ns:head:read',
    'ns:options:read',
    'ns:patch:write',
    'ns:post:write',
    'ns:put:write',
    'ns:trace:read',
  ])
  expect(await namesOf(document, { wildcards: false, actions })).toContain('ns:post:create')
})

test('tags name scopes by the first of them, and what has none is untagged', async () => {
  const document = openApi({ 'GET /a': { tags: ['Pet Store', 'x'] }, 'POST /b': {}, 'GET /c': { tags: [] } })
  expect(await namesOf(document, { strategy: 'TAG' })).toEqual([
    'ns:pet_store:read',
    'ns:untagged:read',
    'ns:untagged:write',
  ])
  expect(await namesOf(document, { strategy: 'TAG', wildcards: true })).toContain('ns:pet_store:*')
})

test('ids of operations become snake case, and what has none is warned of', async () => {
  const document = openApi({
    'GET /a': { operationId: 'getPetById' },
    'GET /b': { operationId: 'listHTTPRoutes2' },
    'GET /c': { operationId: 'pets.find-all' },
    'GET /d': {},
  })
  const generated = generateScopes(await readOpenApi(document), { strategy: 'OPERATION_ID', namespace: 'ns' })
  expect(generated.scopes.map(({ name }) => name)).toEqual([
    'ns:get_pet_by_id:execute',
    'ns:list_http_routes2:execute',
    'ns:pets_find_all:execute',
  ])
  expect(generated.warnings).toEqual(['GET /d has no operationId, and so no scope.'])
})

test('ids of operations that become one scope are warned of', async () => {
  const document = openApi({
    'GET /a': { operationId: 'getPets' },
    'POST /b': { operationId: 'get_pets' },
    'GET /c': { operationId: 'get pets' },
    'GET /d': { operationId: 'getPet' },
  })
  const generated = generateScopes(await readOpenApi(document), { strategy: 'OPERATION_ID', namespace: 'ns' })
  expect(generated.scopes.map(({ name }) => name)).toEqual(['ns:get_pet:execute', 'ns:get_pets:execute'])
  expect(generated.warnings).toEqual(['ns:get_pets:execute stands for 3 operations: GET /a, POST /b, GET /c.'])
})

test('servers whose path is not that of the first are warned of, and those with the same are not', async () => {
  const warningsOf = async (...urls: string[]) => {
    const document = openApi({ 'GET /pets': {} }, { servers: urls.map((url) => ({ url })) })
    return generateScopes(await readOpenApi(document), { strategy: 'TAG', namespace: 'ns' }).warnings
  }
  expect(await warningsOf('https://a.example/v1', 'https://b.example/v1/', '/v1', 'https://[x]/v2')).toEqual([])
  expect(await warningsOf('https://a.example/v1', '/v2', 'https://b.example', `/${'x'.repeat(1_000)}`)).toEqual([
    'Requests are matched behind the path of the first server, /v1, and not behind /v2, /.',
  ])
})

test('a scope that would be too long is warned of and left out', async () => {
  const long = openApi({ [`GET /${'x'.repeat(100)}`]: {}, 'GET /pets': {} })
  const generated = generateScopes(await readOpenApi(long), { strategy: 'PATH_RESOURCE', namespace: 'ns' })
  expect(generated.scopes.map(({ name }) => name)).toEqual(['ns:pets:*', 'ns:pets:read'])
  expect(generated.warnings).toEqual([expect.stringMatching(/more than 100 characters/)])
})

test('texts that were made to be slow to match take no time', async () => {
  const operationId = 'A'.repeat(1_000)
  const document = openApi({ [`GET /v${'1'.repeat(900)}x/pets`]: { operationId }, 'GET /v1.2-3/pets': {} })
  const summary = await readOpenApi(document)
  const begin = performance.now()
  for (const strategy of STRATEGIES) generateScopes(summary, { strategy, namespace: 'ns' })
  expect(performance.now() - begin).toBeLessThan(1_000)
})

test('versions of all kinds in front of every path are no resource', async () => {
  for (const version of ['v1', 'V12', 'v1.2', 'v2024-01-31', 'v1_0', 'api']) {
    const document = openApi({ [`GET /${version}/pets`]: {}, [`GET /${version}/owners`]: {} })
    expect(await namesOf(document, { wildcards: false })).toEqual(['ns:owners:read', 'ns:pets:read'])
  }
})
