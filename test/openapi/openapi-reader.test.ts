import { describe, expect, test } from 'vitest'
import { createOpenApiReader } from '../../src/openapi/openapi-reader.ts'
import { openApi, PETSTORE } from './documents.ts'

const reader = createOpenApiReader()

function read(text: string, from = reader) {
  return from.generate([new TextEncoder().encode(text)], { strategy: 'PATH_RESOURCE', namespace: 'ns' })
}

async function operationsOf(text: string): Promise<readonly string[]> {
  const reading = await read(text)
  if (!reading.ok) throw new Error(reading.detail)
  return reading.value.operations.map(({ method, path }) => `${method} ${path}`)
}

async function faultOf(text: string, from = reader): Promise<string> {
  const reading = await read(text, from)
  return reading.ok ? 'none' : reading.detail
}

describe('a document', () => {
  test('of OpenAPI 3.0 in YAML is read with its title, version and base path', async () => {
    const reading = await read(PETSTORE)
    expect(reading).toMatchObject({
      ok: true,
      value: { title: 'Swagger Petstore - OpenAPI 3.0', version: '1.0.27-SNAPSHOT', basePath: '/api/v3' },
    })
  })

  test('of OpenAPI 3.1 in JSON and of Swagger 2.0 is read', async () => {
    expect(await operationsOf(openApi({ 'GET /pets': {}, 'POST /pets': {} }))).toEqual(['GET /pets', 'POST /pets'])
    const swagger = 'swagger: "2.0"\ninfo: {title: Pets, version: "1"}\nbasePath: /v2/\npaths:\n  /pets:\n    get: {}\n'
    expect(await read(swagger)).toMatchObject({
      value: { basePath: '/v2', operations: [{ method: 'GET', path: '/pets' }] },
    })
  })

  test('may refer from one path to another, to a component, and in circles', async () => {
    const document = openApi(
      { 'GET /a': { responses: { 200: { $ref: '#/components/responses/R' } } } },
      {
        components: {
          pathItems: { P: { put: {} } },
          responses: { R: { content: { json: { schema: { $ref: '#/components/schemas/Node' } } } } },
          schemas: { Node: { properties: { next: { $ref: '#/components/schemas/Node' } } } },
        },
      },
    )
    const parsed = JSON.parse(document)
    parsed.paths['/b'] = { $ref: '#/components/pathItems/P' }
    parsed.paths['/c'] = { $ref: '#/paths/~1a' }
    expect(await operationsOf(JSON.stringify(parsed))).toEqual(['GET /a', 'PUT /b', 'GET /c'])
  })

  test('may have ten thousand schemas that refer to each other in one long circle', async () => {
    const schemas = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [
        `S${index}`,
        { properties: { next: { $ref: `#/components/schemas/S${(index + 1) % 10_000}` } } },
      ]),
    )
    expect(await operationsOf(openApi({ 'GET /a': {} }, { components: { schemas } }))).toEqual(['GET /a'])
  })

  test('may show `$ref` as an example', async () => {
    const example = { example: { $ref: 'https://example.com/x' } }
    expect(await operationsOf(openApi({ 'GET /a': example }))).toEqual(['GET /a'])
  })
})

describe('a document is refused', () => {
  const bomb = Array.from({ length: 12 }, (_, level) =>
    level === 0 ? 'a0: &a0 [x, x, x, x, x, x, x, x, x]' : `a${level}: &a${level} [${Array(9).fill(`*a${level - 1}`)}]`,
  ).join('\n')
  const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`

  test.each<[string, string, RegExp]>([
    ['that is empty', '', /no object/],
    ['that is a text', 'hello', /no object/],
    ['that is a list', '[1, 2]', /no object/],
    ['that is broken JSON', '{"openapi": ', /neither JSON nor YAML/],
    ['that is broken YAML', 'openapi: "3.0.0\npaths: [', /neither JSON nor YAML/],
    ['without a version', '{"paths": {}}', /neither `openapi` \(3\.0, 3\.1\) nor `swagger` \(2\.0\)/],
    ['without paths', '{"openapi": "3.0.0", "info": {}}', /^The document is not a valid/],
    ['of Swagger 1.2', '{"swagger": "1.2", "info": {}, "paths": {}}', /1\.2/],
    ['of OpenAPI 4', '{"openapi": "4.0.0", "info": {}, "paths": {}}', /Unsupported OpenAPI version: 4\.0\.0/],
    [
      'that refers to a URL',
      openApi({ 'GET /a': { $ref: 'https://example.com/x.json' } }),
      /may not leave the document/,
    ],
    ['that refers to a file', openApi({ 'GET /a': { x: { $ref: '/etc/passwd' } } }), /may not leave the document/],
    ['that refers to a neighbour', openApi({ 'GET /a': { x: [{ $ref: 'other.yaml#/a' }] } }), /may not leave/],
    ['that refers to nothing', '{"openapi":"3.1.0","info":{},"paths":{"/a":{"$ref":"#/nowhere"}}}', /nowhere/],
    ['whose aliases multiply', `openapi: 3.0.0\ninfo: {}\npaths: {}\n${bomb}`, /alias/i],
    ['that is nested too deeply', `{"openapi":"3.1.0","info":{},"paths":{},"x-y":${deep}}`, /nested too deeply/],
  ])('%s', async (_, text, message) => {
    expect(await faultOf(text)).toMatch(message)
  })

  test('of more than 16 MiB, without being looked at', async () => {
    expect(await faultOf('x'.repeat(16 * 1024 * 1024 + 1))).toMatch(/16777217 bytes; at most 16777216/)
  })

  test('of more than 10,000 operations', async () => {
    const operations = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`GET /p${index}`, {}]))
    expect(await faultOf(openApi(operations))).toMatch(/10001 operations; at most 10000/)
  })

  test.each([
    ['path', openApi({ [`GET /${'x'.repeat(1_000)}`]: {} }), /A path has more than 1000 characters/],
    ['path', openApi({ [`GET ${'/x'.repeat(33)}`]: {} }), /A path has more than 32 segments/],
    ['path', openApi({ 'GET /a\u0000': {} }), /A path holds what is no text/],
    ['operationId', openApi({ 'GET /a': { operationId: 'x'.repeat(1_001) } }), /`operationId` has more than 1000/],
    ['tag', openApi({ 'GET /a': { tags: ['x'.repeat(1_001)] } }), /A tag has more than 1000 characters/],
    ['base path', openApi({}, { servers: [{ url: `/${'x'.repeat(1_000)}` }] }), /server's URL has more than 1000/],
    ['base path', openApi({}, { servers: [{ url: '/x'.repeat(33) }] }), /more than 32 segments/],
  ])('whose %s is none that people write', async (_, text, message) => {
    expect(await faultOf(text)).toMatch(message)
  })

  test('that takes too long or too much memory, and the next one is read all the same', async () => {
    expect(await faultOf(PETSTORE, createOpenApiReader({ deadlineMs: 1 }))).toMatch(/longer than 0\.001 seconds/)
    const large = JSON.stringify({ openapi: '3.1.0', x: Array.from({ length: 300_000 }, (_, index) => ({ index })) })
    expect(await faultOf(large, createOpenApiReader({ memoryMb: 12 }))).toMatch(/too much memory/)
    expect(await faultOf(PETSTORE)).toBe('none')
  })
})

test('while a document is read, everything else goes on', async () => {
  let turns = 0
  const ticking = setInterval(() => turns++, 5)
  const lines = Array.from({ length: 20_000 }, (_, index) => `  k${index}: {a: [1, 2, 3], b: "text"}`)
  await read(`openapi: 3.1.0\ninfo: {title: a, version: "1"}\npaths: {}\nx-large:\n${lines.join('\n')}\n`)
  clearInterval(ticking)
  expect(turns).toBeGreaterThan(10)
})

test('more documents than can be read or wait are told to come again', async () => {
  const crowded = createOpenApiReader()
  const readings = await Promise.allSettled(Array.from({ length: 12 }, () => read(PETSTORE, crowded)))
  const refused = readings.filter(({ status }) => status === 'rejected')
  expect(refused).toHaveLength(2)
  expect(refused[0]).toMatchObject({ reason: { code: 'UNAVAILABLE', retryAfterSeconds: 5 } })
})
