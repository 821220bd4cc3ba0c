import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendRaw } from '../http/raw-request.ts'
import { createMemoryKeySource, keyRecord, newToken } from './key-records.ts'
import { type Answer, startVerifyFixture, type VerifyFixture } from './verify-fixture.ts'

/** `POST /verify` as HTTP: what it refuses and how, and that nothing a stranger sends is a failure of ours. */
let fixture: VerifyFixture
const source = createMemoryKeySource()

beforeAll(async () => {
  fixture = await startVerifyFixture({
    source,
    sink: { write: async () => undefined },
    put: async (token, record) => source.put(token, record),
    readRequestCount: async () => 0,
    close: async () => undefined,
  })
})
afterAll(() => fixture.stop())

async function post(
  body: RequestInit['body'],
  headers: Record<string, string> = {},
  path = '/verify',
): Promise<Answer> {
  const response = await fetch(`${fixture.baseUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${fixture.platformVerifier}`, 'content-type': 'application/json', ...headers },
    body: body ?? null,
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) }
}

function rawHead(length: number, extra: readonly string[] = []): string {
  const lines = [
    'POST /verify HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${fixture.platformVerifier}`,
    'Content-Type: application/json',
    `Content-Length: ${length}`,
    ...extra,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.body).toMatchObject({
    type: expect.stringMatching(/^urn:keyward:error:[a-z-]+$/),
    title: expect.any(String),
    status,
    detail: expect.any(String),
    code,
    requestId: answer.headers.get('x-request-id'),
  })
}

describe('refusals', () => {
  test('a body that is not JSON is 400, and what was sent is not repeated', async () => {
    const answer = await post('{"key": "acme_live_secret"')
    expectProblem(answer, 400, 'MALFORMED_BODY')
    expect(answer.text).not.toContain('secret')
  })

  test('an empty body is 400', async () => {
    expectProblem(await post(''), 400, 'MALFORMED_BODY')
  })

  test('bytes that are no UTF-8 are 400, the replacement character itself is not', async () => {
    expectProblem(await post(Buffer.from('{"key": "\xff"}', 'latin1')), 400, 'MALFORMED_BODY')
    expect((await post('{"key": "\ufffd"}')).status).toBe(200)
  })

  test('every fault of a body is named by a JSON Pointer', async () => {
    const answer = await post(JSON.stringify({ key: 1, scopes: ['a:b', 2], 'a/b~c d': true }))
    expectProblem(answer, 400, 'VALIDATION_FAILED')
    expect(answer.body.errors).toEqual([
      { pointer: '#/key', detail: expect.any(String) },
      { pointer: '#/scopes/1', detail: expect.any(String) },
      { pointer: '#/a~1b~0c%20d', detail: expect.any(String) },
    ])
  })

  test('a body above 16 KiB is 413, whether its length is announced or not', async () => {
    const body = JSON.stringify({ key: 'x'.repeat(16 * 1024) })
    expectProblem(await post(body), 413, 'BODY_TOO_LARGE')
    const chunked = await sendRaw({
      port: fixture.port,
      parts: [
        rawHead(0, ['Transfer-Encoding: chunked', 'Connection: close']).replace('Content-Length: 0\r\n', ''),
        ...Array.from({ length: 20 }, () => `400\r\n${'x'.repeat(1024)}\r\n`),
        '0\r\n\r\n',
      ],
    })
    expect(chunked.status).toBe(413)
  })

  test('a body of 16 KiB is read', async () => {
    const empty = JSON.stringify({ key: '' })
    const { status } = await post(JSON.stringify({ key: 'x'.repeat(16 * 1024 - empty.length) }))
    expect(status).toBe(200)
  })

  test('a body of 1 MB is 413, and the connection goes on', async () => {
    expectProblem(await post('x'.repeat(1_000_000)), 413, 'BODY_TOO_LARGE')
    expect((await post('{"key": "x"}')).status).toBe(200)
  })

  test.each([
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/json; charset=latin1' },
    { 'content-type': 'application/jsonx' },
    { 'content-encoding': 'gzip' },
  ])('%j is 415', async (headers) => {
    expectProblem(await post('{"key": "x"}', headers), 415, 'UNSUPPORTED_MEDIA_TYPE')
  })

  test.each(['application/json; charset=utf-8', 'Application/JSON', 'application/json;charset="UTF-8"'])(
    'the media type %s is read',
    async (type) => {
      expect((await post('{"key": "x"}', { 'content-type': type })).status).toBe(200)
    },
  )

  test('another method is 405 and told which one is taken', async () => {
    const response = await fetch(`${fixture.baseUrl}/verify`)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
    expect(await response.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' })
  })

  test('another path is 404', async () => {
    for (const path of ['/', '/verify/', '/Verify', '/verify/x', '//verify']) {
      expectProblem(await post('{"key": "x"}', {}, path), 404, 'NOT_FOUND')
    }
  })

  test('a query after the path changes nothing', async () => {
    expect((await post('{"key": "x"}', {}, '/verify?key=y')).body.code).toBe('NOT_FOUND')
  })

  test('a stranger is refused before the body is looked at', async () => {
    expectProblem(await post('not json', { authorization: 'Bearer stranger' }), 401, 'UNAUTHENTICATED')
  })
})

describe('request ids', () => {
  test('a proper one is returned, in header and body', async () => {
    const id = `Az09._-${'x'.repeat(57)}`
    const { headers, body } = await post('{"key": "x"}', { 'x-request-id': id })
    expect(headers.get('x-request-id')).toBe(id)
    expect(body.requestId).toBe(id)
  })

  test.each(['', 'a b', 'ä', '"},{"', 'x'.repeat(65)])('%j gives way to one of ours', async (given) => {
    const { headers, body } = await post('{"key": "x"}', { 'x-request-id': encodeURI(given) === given ? given : '{' })
    expect(headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._-]{1,64}$/)
    expect(headers.get('x-request-id')).not.toBe(given)
    expect(body.requestId).toBe(headers.get('x-request-id'))
  })

  test('no two requests get the same', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => post('{"key": "x"}')))
    expect(new Set(answers.map(({ body }) => body.requestId)).size).toBe(50)
  })
})

describe('bodies in pieces', () => {
  test('a body that arrives byte by byte is read', async () => {
    const body = JSON.stringify({ key: 'größer' })
    const bytes = [...Buffer.from(body)].map((byte) => Buffer.from([byte]))
    const answer = await sendRaw({
      port: fixture.port,
      parts: [rawHead(bytes.length, ['Connection: close']), ...bytes],
    })
    expect(answer.status).toBe(200)
  })

  test('requests that follow each other without waiting are answered in order', async () => {
    const bodies = ['a', 'b', 'c'].map((key) => JSON.stringify({ key }))
    const parts = bodies.map((body, index) => {
      const extra = [`X-Request-Id: request-${index}`, ...(index === 2 ? ['Connection: close'] : [])]
      return rawHead(body.length, extra) + body
    })
    const { head, body } = await sendRaw({ port: fixture.port, parts: [parts.join('')] })
    expect((head + body).match(/"requestId":"request-\d"/g)).toEqual([0, 1, 2].map((n) => `"requestId":"request-${n}"`))
  })

  test('a body that stops arriving is 408', async () => {
    const answer = await sendRaw({ port: fixture.port, parts: [rawHead(100), '{"key":'] })
    expect(answer.status).toBe(408)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'REQUEST_TIMEOUT', status: 408 })
  })

  test('a client that goes away in the middle harms nobody', async () => {
    for (let round = 0; round < 20; round++) {
      const socket = connect({ port: fixture.port, host: '127.0.0.1' })
      await new Promise((resolve) => socket.once('connect', resolve))
      socket.write(rawHead(100))
      socket.write('{"key":')
      socket.destroy()
    }
    expect((await post('{"key": "x"}')).status).toBe(200)
  })
})

describe('a source that is down', () => {
  test('a key that is not in memory is 503 with Retry-After, and nothing of the cause is told', async () => {
    const token = newToken()
    source.put(token, keyRecord())
    source.isDown = true
    const answer = await post(JSON.stringify({ key: token }))
    source.isDown = false
    expectProblem(answer, 503, 'UNAVAILABLE')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(answer.text).not.toMatch(/ECONNREFUSED|10\.1\.2\.3/)
  })

  test('a verifier that is not in memory is 503, not 401', async () => {
    const verifier = newToken('kw')
    source.put(verifier, keyRecord({ scopes: ['keyward:verify'] }))
    source.isDown = true
    const answer = await post('{"key": "x"}', { authorization: `Bearer ${verifier}` })
    source.isDown = false
    expectProblem(answer, 503, 'UNAVAILABLE')
  })

  test('a key in memory is answered as before, and as stale once it is too old to be trusted', async () => {
    const token = newToken()
    source.put(token, keyRecord())
    await post(JSON.stringify({ key: token }))
    source.isDown = true
    expect((await post(JSON.stringify({ key: token }))).body).toMatchObject({ code: 'VALID', stale: false })
    fixture.clock.advance(61_000)
    expect((await post(JSON.stringify({ key: token }))).body).toMatchObject({ code: 'VALID', stale: true })
    source.isDown = false
    fixture.clock.advance(1_000)
    await post(JSON.stringify({ key: token }))
    await post('{"key": "x"}')
  })
})

describe('garbage', () => {
  let loggedBefore = 0
  beforeAll(() => {
    loggedBefore = fixture.logged.length
  })

  test('arbitrary JSON is answered below 500', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (body) => {
        expect((await post(body)).status).toBeLessThan(500)
      }),
      { numRuns: 300 },
    )
  })

  test('arbitrary values in known fields are answered 200 or 400', async () => {
    const fields = [
      'key',
      'scopes',
      'scopeQuery',
      'environment',
      'ip',
      'userAgent',
      'origin',
      'method',
      'path',
      'cost',
      'tags',
    ]
    const { token } = await seedKey()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fields), fc.jsonValue(), async (field, value) => {
        expect([200, 400]).toContain((await post(JSON.stringify({ key: token, [field]: value }))).status)
      }),
      { numRuns: 300 },
    )
  })

  test('arbitrary strings as keys are NOT_FOUND', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 2_000 }), async (key) => {
        expect((await post(JSON.stringify({ key }))).body.code).toBe('NOT_FOUND')
      }),
      { numRuns: 300 },
    )
  })

  test('arbitrary bytes instead of HTTP are 400', async () => {
    for (const bytes of [
      '\r\n\r\n\r\n',
      'GET',
      'nonsense\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01',
      'GET / HTTP/9.9\r\n\r\n',
    ]) {
      const answer = await sendRaw({ port: fixture.port, parts: [Buffer.from(bytes, 'latin1')] })
      expect(answer.status === 400 || answer.status === 408).toBe(true)
      expect(JSON.parse(answer.body).status).toBe(answer.status)
    }
  })

  test('headers beyond the limit are 431', async () => {
    const answer = await sendRaw({ port: fixture.port, parts: [rawHead(0, [`X-Long: ${'x'.repeat(20_000)}`])] })
    expect(answer.status).toBe(431)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'HEADERS_TOO_LARGE' })
  })

  test('contradicting lengths are 400', async () => {
    const answer = await sendRaw({
      port: fixture.port,
      parts: [rawHead(5, ['Transfer-Encoding: chunked']), '0\r\n\r\n'],
    })
    expect(answer.status).toBe(400)
  })

  test('none of it was a failure of ours', () => {
    expect(fixture.logged.slice(loggedBefore)).toEqual([])
  })
})

async function seedKey(): Promise<{ token: string }> {
  const token = newToken()
  source.put(token, keyRecord())
  return { token }
}
