import { request } from 'node:http'
import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { type HttpAnswer, send } from '../harness/client.ts'
import { seedAdmin } from '../harness/seed.ts'

let app: TestApp
let corsApp: TestApp
let accessToken: string

beforeAll(async () => {
  app = await startTestApp()
  corsApp = await startTestApp({ env: { CORS_ORIGINS: 'https://app.example.com,https://other.example.com' } })
  accessToken = (await seedAdmin(app)).accessToken
})
afterAll(async () => {
  await app.stop()
  await corsApp.stop()
})

const CSRF = { 'x-keyward-csrf': '1' }
const JSON_TYPE = { 'content-type': 'application/json' }
const SPEC = { accept: 'application/graphql-response+json' }
const body = (query: string, more: object = {}) => JSON.stringify({ query, ...more })

function post(text: string, headers: Record<string, string> = JSON_TYPE, to: TestApp = app): Promise<HttpAnswer> {
  return send(to, '/graphql', { method: 'POST', headers, body: text })
}

function expectProblem(answer: HttpAnswer, status: number, code: string): void {
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const problem = JSON.parse(answer.text)
  expect(problem).toMatchObject({ status, code, requestId: answer.headers.get('x-request-id') })
}

describe('GraphQL over HTTP', () => {
  test('passes every audit of the specification, what it must and what it should', async () => {
    const audits = serverAudits({
      url: `${app.baseUrl}/graphql`,
      fetchFn: (url: string, init: RequestInit = {}) => {
        const headers = new Headers(init.headers)
        for (const [name, value] of Object.entries(CSRF)) headers.set(name, value)
        return fetch(url, { ...init, headers })
      },
    })
    const failed: string[] = []
    for (const { id, name, fn } of audits) {
      const result = await fn()
      if (result.status !== 'ok') failed.push(`${id} ${name}: ${result.reason}`)
    }
    expect(failed).toEqual([])
    expect(audits.length).toBeGreaterThanOrEqual(61)
  })

  test('every answer has the id of its request, the one that was given or another', async () => {
    const given = await post(body('{ __typename }'), { ...JSON_TYPE, 'x-request-id': 'a.b_c-1' })
    expect(given.headers.get('x-request-id')).toBe('a.b_c-1')
    for (const id of ['bad id', 'x'.repeat(65), 'a/b']) {
      const other = await post(body('{ __typename }'), { ...JSON_TYPE, 'x-request-id': id })
      expect(other.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._-]{1,64}$/)
      expect(other.headers.get('x-request-id')).not.toBe(id)
    }
  })

  test('answers are not kept by caches and not guessed at by browsers', async () => {
    const { headers } = await post(body('{ __typename }'))
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  test.each(['text/plain', 'image/*', 'application/json;charset=utf-16', 'x', ''])(
    'an Accept header that names nothing we have (%j) is disregarded rather than refused after the work is done',
    async (accept) => {
      const answer = await post(body('{ __typename }'), { ...JSON_TYPE, accept })
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.text)).toMatchObject({ data: { __typename: 'Query' } })
    },
  )

  test('of several operations the one that is named is executed', async () => {
    const document = 'query A { a: __typename } query B { b: __typename }'
    const answer = await post(body(document, { operationName: 'B' }))
    expect(JSON.parse(answer.text)).toMatchObject({ data: { b: 'Query' } })
    const none = await post(body(document, { operationName: 'C' }), { ...JSON_TYPE, ...SPEC })
    expect(none.status).toBe(400)
    expect(JSON.parse(none.text).errors[0].extensions.code).toBe('QUERY_INVALID')
  })

  test('a subscription is refused as long as there are none', async () => {
    const answer = await post(body('subscription { x }'), { ...JSON_TYPE, ...SPEC })
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.text).errors[0].extensions.code).toBe('QUERY_INVALID')
  })
})

describe('a request that a page of another origin could have sent', () => {
  const query = `/graphql?query=${encodeURIComponent('{ __typename }')}`

  test('by GET is refused without the header that a page cannot send, and taken with it', async () => {
    expectProblem(await send(app, query), 403, 'CSRF_HEADER_MISSING')
    const answer = await send(app, query, { headers: CSRF })
    expect(JSON.parse(answer.text)).toMatchObject({ data: { __typename: 'Query' } })
  })

  test.each([
    ['a form', 'application/x-www-form-urlencoded', 'query=%7B__typename%7D'],
    ['plain text', 'text/plain', body('{ __typename }')],
    [
      'a form with files',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{__typename}"}\r\n--x--',
    ],
    ['a bare document', 'application/graphql', '{ __typename }'],
    ['JSON under another name', 'text/json', body('{ __typename }')],
    ['JSON in another encoding', 'application/json; charset=utf-16', body('{ __typename }')],
    ['JSON that pretends to be text', 'text/plain; application/json', body('{ __typename }')],
  ])('as %s is refused, also with the header', async (_, type, text) => {
    expectProblem(await post(text, { 'content-type': type }), 415, 'UNSUPPORTED_MEDIA_TYPE')
    expectProblem(await post(text, { 'content-type': type, ...CSRF }), 415, 'UNSUPPORTED_MEDIA_TYPE')
  })

  test('without any type is refused', async () => {
    const answer = await send(app, '/graphql', {
      method: 'POST',
      body: new TextEncoder().encode(body('{ __typename }')),
    })
    expectProblem(answer, 415, 'UNSUPPORTED_MEDIA_TYPE')
  })

  test('cannot change anything by GET', async () => {
    const mutation = `/graphql?query=${encodeURIComponent('mutation { sessionEnd { __typename } }')}`
    const answer = await send(app, mutation, { headers: { ...CSRF, authorization: `Bearer ${accessToken}` } })
    expect(answer.status).toBe(405)
    expect(JSON.parse(answer.text)).toEqual({
      errors: [{ message: expect.any(String), extensions: { code: 'METHOD_NOT_ALLOWED' } }],
    })
    expect(answer.headers.get('allow')).toBe('POST')
  })

  test('as JSON needs no header, since a browser asks before it lets a page send that', async () => {
    expect((await post(body('{ __typename }'))).status).toBe(200)
    expect((await post(body('{ __typename }'), { 'content-type': 'application/json; charset=UTF-8' })).status).toBe(200)
  })
})

describe('a page of another origin', () => {
  const preflight = (to: TestApp, origin: string) =>
    send(to, '/graphql', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } })
  const allowedOrigin = ({ headers }: HttpAnswer) => headers.get('access-control-allow-origin')

  test('may read nothing unless its origin is in the settings', async () => {
    const origin = 'https://app.example.com'
    expect(allowedOrigin(await preflight(app, origin))).toBeNull()
    expect(allowedOrigin(await post(body('{ __typename }'), { ...JSON_TYPE, origin }))).toBeNull()
  })

  test.each(['https://app.example.com', 'https://other.example.com'])('of %s may, since it is', async (origin) => {
    const asked = await preflight(corsApp, origin)
    expect(asked.status).toBe(204)
    expect(allowedOrigin(asked)).toBe(origin)
    expect(asked.headers.get('access-control-allow-methods')).toBe('GET, POST')
    expect(asked.headers.get('access-control-allow-headers')).toMatch(/authorization.*content-type/)
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull()
    const answer = await post(body('{ __typename }'), { ...JSON_TYPE, origin }, corsApp)
    expect(allowedOrigin(answer)).toBe(origin)
    expect(answer.headers.get('vary')).toMatch(/Origin/)
  })

  test('may read what went wrong too', async () => {
    const origin = 'https://app.example.com'
    expect(allowedOrigin(await post('{', { ...JSON_TYPE, origin }, corsApp))).toBe(origin)
    expect(allowedOrigin(await post(body('{ x }'), { ...JSON_TYPE, origin }, corsApp))).toBe(origin)
    const unauthenticated = await post(
      body('{ __typename }'),
      { ...JSON_TYPE, origin, authorization: 'Bearer x' },
      corsApp,
    )
    expect(unauthenticated.status).toBe(401)
    expect(allowedOrigin(unauthenticated)).toBe(origin)
  })

  test.each([
    'https://evil.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.com',
    'null',
    '*',
  ])('of %s may not', async (origin) => {
    expect(allowedOrigin(await preflight(corsApp, origin))).toBeNull()
    expect(allowedOrigin(await post(body('{ __typename }'), { ...JSON_TYPE, origin }, corsApp))).toBeNull()
  })
})

describe('a body', () => {
  test.each([
    ['that is no JSON', '{"query":', 'MALFORMED_BODY'],
    ['that is empty', '', 'MALFORMED_BODY'],
    ['of null', 'null', 'VALIDATION_FAILED'],
    ['of text', '"{ __typename }"', 'VALIDATION_FAILED'],
    ['without a query', '{}', 'VALIDATION_FAILED'],
    ['whose query is a number', '{"query":1}', 'VALIDATION_FAILED'],
    ['whose variables are a list', '{"query":"{__typename}","variables":[]}', 'VALIDATION_FAILED'],
    ['whose variables are text', '{"query":"{__typename}","variables":"{}"}', 'VALIDATION_FAILED'],
    ['whose operation name is a number', '{"query":"{__typename}","operationName":1}', 'VALIDATION_FAILED'],
    ['with a field that there is not', '{"query":"{__typename}","quarry":1}', 'VALIDATION_FAILED'],
    ['of several operations', '[{"query":"{__typename}"},{"query":"{__typename}"}]', 'VALIDATION_FAILED'],
    ['of no operations', '[]', 'VALIDATION_FAILED'],
  ])('%s is refused', async (_, text, code) => {
    expectProblem(await post(text), 400, code)
    expectProblem(await post(text, { ...JSON_TYPE, ...SPEC }), 400, code)
  })

  test('that is no UTF-8 is refused', async () => {
    const bytes = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])
    expectProblem(
      await send(app, '/graphql', { method: 'POST', headers: JSON_TYPE, body: bytes }),
      400,
      'MALFORMED_BODY',
    )
  })

  test('of more than a megabyte is refused, announced or not', async () => {
    const large = body('{ __typename }', { variables: { x: 'x'.repeat(1024 * 1024) } })
    expectProblem(await post(large), 413, 'BODY_TOO_LARGE')
    const stream = new Blob([large]).stream()
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', headers: JSON_TYPE, body: stream, duplex: 'half' }
    expectProblem(await send(app, '/graphql', init), 413, 'BODY_TOO_LARGE')
  })

  test('of up to 24 MiB is taken from a caller who is known, and from nobody else', async () => {
    const large = body('{ viewer { __typename } }', { variables: { padding: 'x'.repeat(23 * 1024 * 1024) } })
    const known = { ...JSON_TYPE, authorization: `Bearer ${accessToken}` }
    expect(JSON.parse((await post(large, known)).text)).toMatchObject({ data: { viewer: { __typename: 'User' } } })
    expectProblem(await post(large), 413, 'BODY_TOO_LARGE')
    expectProblem(await post(large, { ...known, authorization: 'Bearer x' }), 401, 'UNAUTHENTICATED')
    const larger = body('{ __typename }', { variables: { padding: 'x'.repeat(24 * 1024 * 1024) } })
    expectProblem(await post(larger, known), 413, 'BODY_TOO_LARGE')
  })

  test('that is large leaves its place to others when its sender goes away', async () => {
    const headers = { ...JSON_TYPE, authorization: `Bearer ${accessToken}`, 'content-length': String(2 * 1024 * 1024) }
    const begin = () => {
      const started = request(`${app.baseUrl}/graphql`, { method: 'POST', headers })
      started.on('error', () => {})
      started.write('{')
      return started
    }
    const abandoned = Array.from({ length: 7 }, begin)
    const large = body('{ __typename }', { variables: { padding: 'x'.repeat(2 * 1024 * 1024) } })
    const ask = () => post(large, { ...JSON_TYPE, authorization: `Bearer ${accessToken}` })
    const full = async () => {
      abandoned.push(begin())
      return (await ask()).status
    }
    await expect.poll(full, { timeout: 10_000 }).toBe(503)
    for (const started of abandoned) started.destroy()
    await expect.poll(async () => (await ask()).status, { timeout: 10_000 }).toBe(200)
  })

  test('of just under a megabyte is taken', async () => {
    const text = body('{ __typename }', { variables: { x: '' } })
    const padding = 'x'.repeat(1024 * 1024 - text.length)
    expect((await post(body('{ __typename }', { variables: { x: padding } }))).status).toBe(200)
  })

  test('that is compressed is refused', async () => {
    const answer = await post(body('{ __typename }'), { ...JSON_TYPE, 'content-encoding': 'gzip' })
    expectProblem(answer, 415, 'UNSUPPORTED_MEDIA_TYPE')
  })
})

describe('a query string', () => {
  test.each([
    ['without a query', ''],
    ['whose variables are no JSON', 'query={__typename}&variables={'],
    ['whose variables are a list', 'query={__typename}&variables=[]'],
    ['with a field that there is not', 'query={__typename}&quarry=1'],
    ['that is no query string', '%%%&&&==='],
  ])('%s is refused', async (_, query) => {
    expectProblem(await send(app, `/graphql?${query}`, { headers: CSRF }), 400, 'VALIDATION_FAILED')
  })

  test('carries variables and the name of an operation', async () => {
    const query = encodeURIComponent(
      'query A { a: __typename } query B($is: Boolean!) { b: __typename @include(if: $is) }',
    )
    const answer = await send(app, `/graphql?query=${query}&operationName=B&variables={"is":true}`, { headers: CSRF })
    expect(JSON.parse(answer.text)).toMatchObject({ data: { b: 'Query' } })
  })
})

describe('a method', () => {
  test.each(['PUT', 'DELETE', 'PATCH'])('%s is refused with those that are taken', async (method) => {
    const answer = await send(app, '/graphql', { method, headers: JSON_TYPE, body: body('{ __typename }') })
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS')
  })

  test('HEAD answers as GET does, without a body', async () => {
    const query = `/graphql?query=${encodeURIComponent('{ __typename }')}`
    const answer = await send(app, query, { method: 'HEAD', headers: CSRF })
    expect(answer.text).toBe('')
    expect(answer.status).toBe((await send(app, query, { headers: CSRF })).status)
  })
})

test('a client that goes away while it is answered harms nobody', async () => {
  await new Promise<void>((resolve) => {
    const { hostname, port } = new URL(app.baseUrl)
    const outgoing = request({ hostname, port, path: '/graphql', method: 'POST', headers: JSON_TYPE })
    outgoing.on('error', () => resolve())
    outgoing.end(body('{ __schema { types { name fields { name } } } }'), () => outgoing.destroy())
    outgoing.on('close', () => resolve())
  })
  expect((await post(body('{ __typename }'))).status).toBe(200)
  expect(app.logLines.filter((line) => line.includes('"level":"error"'))).toEqual([])
})

test('what fails unexpectedly is told as INTERNAL without a word of its own, and logged under the id of the request', async () => {
  await app.query('ALTER TABLE tenants RENAME COLUMN name TO hidden')
  try {
    const answer = await post(body('{ tenants { nodes { name } } }'), {
      ...JSON_TYPE,
      authorization: `Bearer ${accessToken}`,
      'x-request-id': 'internal-1',
    })
    expect(JSON.parse(answer.text)).toEqual({
      data: { tenants: null },
      extensions: { cost: { requested: 41, limit: 20_000 } },
      errors: [
        {
          message: 'The cause is in the log, under the id of this request.',
          path: ['tenants'],
          locations: [{ line: 1, column: 3 }],
          extensions: { code: 'INTERNAL', requestId: 'internal-1' },
        },
      ],
    })
    const line = app.logLines.find((one) => one.includes('internal-1'))
    expect(line).toContain('A GraphQL request failed.')
    expect(line).toContain('"level":"error"')
  } finally {
    await app.query('ALTER TABLE tenants RENAME COLUMN hidden TO name')
  }
})
