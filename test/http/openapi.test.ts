import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/errors/catalogue.ts'
import { createDocsPage } from '../../src/http/docs-page.ts'
import { renderText } from '../../src/http/docs-text.ts'
import { createOpenApiDocument } from '../../src/http/openapi.ts'
import type { OpenApiDocument, Operation, Schema } from '../../src/http/openapi-document.ts'
import { createVerifyRequestParser } from '../../src/verify/routes/parse-verify-request.ts'
import { createSignatureRequestParser } from '../../src/verify/signature/parse-signature-request.ts'
import { DENIAL_DETAILS, VERDICT_CODES } from '../../src/verify/verdict-code.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { keyRecord, newToken } from '../verify/key-records.ts'
import { createMemoryBacking } from '../verify/memory-backing.ts'
import { askForward } from '../verify/routes/forward-client.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify/verify-fixture.ts'
import { findSchemaFaults, resolveRef } from './schema-faults.ts'

let app: TestApp
let document: OpenApiDocument

beforeAll(async () => {
  app = await startTestApp()
  document = (await (await fetch(`${app.baseUrl}/openapi.json`)).json()) as OpenApiDocument
})
afterAll(() => app.stop())

function listOperations(): { readonly path: string; readonly method: string; readonly operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, item]) => {
    return Object.entries(item).map(([method, operation]) => ({ path, method, operation }))
  })
}

function schemaOf(name: string): Schema {
  return resolveRef(document, `#/components/schemas/${name}`)
}

function findRefs(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => (name === '$ref' ? [String(member)] : findRefs(member)))
}

describe('the document', () => {
  test('is OpenAPI 3.1 in JSON, which a client need not fetch twice', async () => {
    const response = await fetch(`${app.baseUrl}/openapi.json`)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(document.openapi).toBe('3.1.1')
    const etag = response.headers.get('etag') ?? ''
    expect((await fetch(`${app.baseUrl}/openapi.json`, { headers: { 'if-none-match': etag } })).status).toBe(304)
    const head = await fetch(`${app.baseUrl}/openapi.json`, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(await response.text())))
  })

  test('names every path of the REST surface, and each is served', async () => {
    const paths = Object.keys(document.paths)
    expect(paths).toEqual([
      '/verify',
      '/verify/batch',
      '/verify/signature',
      '/verify/forward',
      '/leaks',
      '/health',
      '/health/live',
      '/health/ready',
      '/healthz',
      '/readyz',
      '/metrics',
      '/.well-known/jwks.json',
      '/openapi.json',
      '/docs',
    ])
    for (const path of paths) expect((await fetch(app.baseUrl + path)).status).not.toBe(404)
  })

  test('leaves out what is not served', () => {
    const { paths } = createOpenApiDocument({ version: '1', paths: ['/verify', '/unheard'], verdictCodes: {} })
    expect(Object.keys(paths)).toEqual(['/verify', '/openapi.json', '/docs'])
  })

  test('names every operation once, describes all of it, and no reference leads nowhere', () => {
    const operations = listOperations()
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { operation } of operations) {
      expect([operation.summary, operation.description].every((text) => text.length > 0)).toBe(true)
      for (const response of Object.values(operation.responses)) expect(response.description).not.toBe('')
      for (const scheme of (operation.security ?? []).flatMap((need) => Object.keys(need))) {
        expect(document.components.securitySchemes).toHaveProperty(scheme)
      }
    }
    const refs = findRefs(document)
    expect(refs.length).toBeGreaterThan(20)
    for (const reference of refs) expect(resolveRef(document, reference)).toBeDefined()
    for (const name of Object.keys(document.components.schemas)) expect(refs).toContain(`#/components/schemas/${name}`)
  })

  test('examples are what their schemas say', () => {
    let count = 0
    for (const { operation } of listOperations()) {
      const contents = [
        operation.requestBody?.content,
        ...Object.values(operation.responses).map(({ content }) => content),
      ]
      for (const { schema, examples = {} } of contents.flatMap((content) => Object.values(content ?? {}))) {
        for (const { value } of Object.values(examples)) {
          count++
          expect(findSchemaFaults(document, schema, value)).toEqual([])
        }
      }
    }
    expect(count).toBeGreaterThanOrEqual(4)
  })
})

describe('the body of a verification', () => {
  const parse = createVerifyRequestParser()

  test('has exactly the fields that the parser reads, of the values that it takes', () => {
    const fields = Object.entries(schemaOf('VerifyRequest').properties ?? {})
    expect(fields.length).toBeGreaterThanOrEqual(12)
    for (const [name, { examples = [] }] of fields) {
      expect(examples.length, name).toBeGreaterThan(0)
      for (const example of examples) expect(parse({ key: 'x', [name]: example })).toMatchObject({ ok: true })
      expect(parse({ key: 'x', [name]: {} }).ok, name).toBe(name === 'tags')
    }
    const all = Object.fromEntries(fields.map(([name, { examples }]) => [name, examples?.[0]]))
    const read = parse(all)
    if (!read.ok) throw new Error('The examples together are refused.')
    // What the parser can fill is described, and nothing else.
    expect(fields.map(([name]) => name).toSorted()).toEqual(Object.keys(read.request).toSorted())
  })

  test.each<[string, unknown, unknown]>([
    ['scopes', Array.from({ length: 100 }, () => 'a:b'), Array.from({ length: 101 }, () => 'a:b')],
    ['scopes', ['x'.repeat(100)], ['x'.repeat(101)]],
    ['environment', 'TEST', 'test'],
    ['method', 'M-SEARCH', 'A B'],
    ['path', `/${'x'.repeat(8_191)}`, `/${'x'.repeat(8_192)}`],
    ['path', '/', 'x'],
    ['userAgent', 'x'.repeat(2_048), 'x'.repeat(2_049)],
    ['origin', 'x'.repeat(2_048), 'x'.repeat(2_049)],
    ['cost', 1_000_000_000, 1_000_000_001],
    ['cost', 0, -1],
    ['cost', 1, 1.5],
    ['requireOperationScope', true, 'true'],
    ['tags', { a: 'x'.repeat(128) }, { a: 'x'.repeat(129) }],
    ['other', undefined, 1],
  ])('%s: document and parser agree on what is taken and what is not', (name, good, bad) => {
    const faultsOf = (body: unknown): string[] => findSchemaFaults(document, schemaOf('VerifyRequest'), body)
    if (good !== undefined) {
      expect(faultsOf({ key: 'x', [name]: good })).toEqual([])
      expect(parse({ key: 'x', [name]: good }).ok).toBe(true)
    }
    expect(faultsOf({ key: 'x', [name]: bad })).not.toEqual([])
    expect(parse({ key: 'x', [name]: bad }).ok).toBe(false)
  })

  test('every environment that is named is taken', () => {
    const values = schemaOf('VerifyRequest').properties?.environment?.enum ?? []
    expect(values).toHaveLength(4)
    for (const environment of values) expect(parse({ key: 'x', environment })).toMatchObject({ ok: true })
  })
})

describe('the body of a signed request', () => {
  const parse = createSignatureRequestParser(createVerifyRequestParser())
  const shared = { scopes: ['a:b'], ip: '203.0.113.7', cost: 2 }
  const forms: readonly (readonly [string, Record<string, unknown>])[] = [
    [
      'SignedVerifyRequest',
      {
        keyId: 'key_01900000000070008000000000000001',
        timestamp: 1_700_000_000,
        nonce: 'n-1',
        method: 'GET',
        path: '/orders?page=2',
        bodySha256: '0'.repeat(64),
        signature: '0'.repeat(64),
      },
    ],
    [
      'HttpSignedVerifyRequest',
      { httpSignature: { method: 'GET', url: 'https://api.example.com/', headers: { a: 'b' } } },
    ],
  ]

  test.each(forms)('%s: document and parser agree on what is needed and what is taken', (name, body) => {
    const isDescribed = (given: unknown): boolean => findSchemaFaults(document, schemaOf(name), given).length === 0
    const isTaken = (given: unknown): boolean => parse(given).ok
    for (const isGood of [isDescribed, isTaken]) {
      expect(isGood({ ...body, ...shared })).toBe(true)
      expect(isGood({ ...body, key: 'x' })).toBe(false)
      expect(isGood({ ...body, other: 1 })).toBe(false)
      for (const missing of Object.keys(body)) {
        const rest = Object.fromEntries(Object.entries(body).filter(([field]) => field !== missing))
        expect(isGood(rest), missing).toBe(false)
      }
    }
    expect(schemaOf(name).required).toEqual(Object.keys(body))
  })
})

describe('answers', () => {
  let fixture: VerifyFixture
  const backing = createMemoryBacking()
  beforeAll(async () => {
    fixture = await startVerifyFixture(backing)
  })
  afterAll(() => fixture.stop())

  async function put(overrides: Parameters<typeof keyRecord>[0] = {}): Promise<string> {
    const token = newToken()
    await fixture.put(token, keyRecord(overrides))
    return token
  }

  /** What the document says an answer with this status is. */
  function answerSchema(path: string, method: 'get' | 'post', status: number): Schema {
    const contents = Object.values(document.paths[path]?.[method]?.responses[status]?.content ?? {})
    const [content] = contents
    if (content === undefined) throw new Error(`The document has no body for ${method} ${path} ${status}.`)
    return content.schema
  }

  test('verdicts are what the document says, whatever they are', async () => {
    const keys = await Promise.all([
      put({ scopes: ['a:b'], ownerId: 'x', metadata: [1], expiresAt: fixture.clock.now() + 1 }),
      put({ config: { perMinute: 5, perDay: 10 } }),
      put({ config: { perMinute: 0 } }),
      put({ revokedAt: 1 }),
      put({
        rotationPending: true,
        secret: { secretId: keyRecord().keyId, activatedAt: 0, retiresAt: fixture.clock.now() + 1 },
      }),
    ])
    const bodies = [
      ...keys.map((key) => ({ key, scopes: ['a:b'] })),
      ...keys.map((key) => ({ key })),
      { key: 'unknown' },
    ]
    const codes = new Set<unknown>()
    for (const body of bodies) {
      const answer = await fixture.ask(body)
      codes.add(answer.body.code)
      expect(findSchemaFaults(document, answerSchema('/verify', 'post', 200), answer.body)).toEqual([])
    }
    expect(codes).toEqual(new Set(['VALID', 'INSUFFICIENT_SCOPE', 'RATE_LIMITED', 'REVOKED', 'NOT_FOUND']))
  })

  test('so are those to a batch and problems', async () => {
    const post = (path: string, body: unknown, verifier = fixture.platformVerifier) =>
      fetch(fixture.baseUrl + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${verifier}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const verifications = [{ key: await put() }, { key: 'unknown' }, { key: 1 }, null]
    for (const [path, body, verifier, status] of [
      ['/verify/batch', { verifications }, undefined, 200],
      ['/verify/batch', { verifications, other: 1 }, undefined, 400],
      ['/verify', { key: 1, other: 2 }, undefined, 400],
      ['/verify', { key: 'x' }, 'stranger', 401],
      ['/verify', { key: 'x' }, await put(), 403],
      ['/verify', { key: 'x'.repeat(20_000) }, undefined, 413],
    ] as const) {
      const response = await post(path, body, verifier)
      expect(response.status).toBe(status)
      expect(findSchemaFaults(document, answerSchema(path, 'post', status), await response.json())).toEqual([])
    }
  })

  test('so are those to a proxy, with every header', async () => {
    const verifier = ['X-Keyward-Verifier', fixture.platformVerifier] as const
    const ask = (token: string, query = '') =>
      askForward({ port: fixture.port, query, headers: [verifier, ['X-API-Key', token]] })
    for (const [token, query, status] of [
      [await put({ config: { perMinute: 0 } }), '', 429],
      [await put(), '?scopes=a:b', 403],
      [await put(), '?nope', 400],
      ['unknown', '', 401],
    ] as const) {
      const reply = await ask(token, query)
      expect(reply.status).toBe(status)
      expect(
        findSchemaFaults(document, answerSchema('/verify/forward', 'get', status), JSON.parse(reply.text)),
      ).toEqual([])
    }
    const { rawHeaders } = await ask(await put({ config: { perMinute: 5 } }))
    const described = Object.keys(document.paths['/verify/forward']?.get?.responses[204]?.headers ?? {})
    const sent = rawHeaders.filter((_, index) => index % 2 === 0)
    expect(sent).toEqual(expect.arrayContaining(described.filter((name) => name !== 'X-Keyward-Scopes-Truncated')))
  })

  test('every code is named: those of verdicts, and those of errors', () => {
    const { properties = {} } = schemaOf('DeniedVerdict')
    const valid = schemaOf('ValidVerdict').properties?.code?.const
    const unknown = schemaOf('UnknownVerdict').properties?.code?.const
    expect([unknown, ...(properties.code?.enum ?? []), valid]).toEqual(VERDICT_CODES)
    expect(schemaOf('Problem').properties?.code?.enum).toEqual(ERROR_CODES)
  })
})

describe('the page', () => {
  test('is HTML that loads nothing, runs nothing and cannot be framed', async () => {
    const response = await fetch(`${app.baseUrl}/docs`)
    const html = await response.text()
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const policy = response.headers.get('content-security-policy')
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; /)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|https?:\/\/(?!$)[^ <"]*\.(js|css)/i)
    expect(html).not.toMatch(/ (style|on\w+)=/)
  })

  test('says everything that the document names', async () => {
    const html = await (await fetch(`${app.baseUrl}/docs`)).text()
    for (const { path, operation } of listOperations()) {
      expect(html).toContain(` ${path}</code></h2>`)
      expect(html).toContain(renderText(operation.summary))
    }
    for (const name of Object.keys(document.components.schemas)) expect(html).toContain(`id="schema-${name}"`)
    for (const code of [...VERDICT_CODES, ...ERROR_CODES]) expect(html).toContain(`<td><code>${code}</code></td>`)
  })

  test('every link within it leads somewhere', async () => {
    const html = await (await fetch(`${app.baseUrl}/docs`)).text()
    const ids = new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
    const links = [...html.matchAll(/ href="#([^"]+)"/g)].map(([, id]) => id)
    expect(links.length).toBeGreaterThan(30)
    for (const link of links) expect(ids).toContain(link)
  })

  test('shows text as text', () => {
    expect(renderText(`<b>&"'\``)).toBe('&lt;b&gt;&amp;&quot;&#39;`')
    expect(renderText('a `<b>` c')).toBe('a <code>&lt;b&gt;</code> c')
    const verdictCodes = { ...DENIAL_DETAILS, '<script>': '</style><script>alert(1)</script>' }
    const html = createDocsPage(createOpenApiDocument({ version: '<i>', paths: [], verdictCodes }), verdictCodes)
    expect(html).not.toContain('<script>')
    expect(html).not.toContain('<i>')
  })
})
