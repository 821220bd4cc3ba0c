import { request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send } from '../harness/client.ts'

let app: TestApp

beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

interface RawAnswer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: Buffer
}

/** As the bytes come, not unpacked by a client that knows how to. */
function get(headers: Record<string, string>, method = 'GET'): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${app.baseUrl}/graphql`, { method, headers }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      )
      answer.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

test('a browser that opens the path finds a page to work with, without any header', async () => {
  const { status, headers, body } = await get(BROWSER)
  expect(status).toBe(200)
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-length': String(body.length),
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-request-id': expect.any(String),
  })
  expect(body.toString()).toMatch(/^\s*<!doctype html>/i)
  expect(body.toString()).toContain('GraphiQL')
})

test('the page is told to talk to nobody but this server, and cannot be framed', async () => {
  const { headers } = await get(BROWSER)
  const rules = String(headers['content-security-policy']).split('; ')
  expect(rules).toEqual(
    expect.arrayContaining(["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]),
  )
  for (const source of rules.flatMap((rule) => rule.split(' ').slice(1))) {
    expect(["'none'", "'self'", "'unsafe-inline'", 'blob:', 'data:']).toContain(source)
  }
})

test('the page loads nothing from anywhere else', async () => {
  const html = (await get(BROWSER)).body.toString()
  const head = html.replace(/<script\b[^>]*>[\s\S]*?<\/script>/g, (script) => script.slice(0, script.indexOf('>') + 1))
  const loads = [...head.matchAll(/<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=\s*["']?([^"'\s>]+)/g)].map(
    ([, url]) => url,
  )
  for (const url of loads) expect(url).toMatch(/^(data:|\/(?!\/)|#)/)
})

test('the page comes compressed to who can read that, and is the same', async () => {
  const plain = await get(BROWSER)
  const packed = await get({ ...BROWSER, 'accept-encoding': 'br, gzip, deflate' })
  expect(packed.headers['content-encoding']).toBe('gzip')
  expect(packed.body.length).toBeLessThan(plain.body.length / 2)
  expect(gunzipSync(packed.body).equals(plain.body)).toBe(true)
  expect(packed.headers.vary).toMatch(/Accept-Encoding/)
})

test('a browser that has the page already is told so', async () => {
  const { headers } = await get(BROWSER)
  const again = await get({ ...BROWSER, 'if-none-match': String(headers.etag) })
  expect(again).toMatchObject({ status: 304, body: Buffer.of() })
  expect(again.headers.etag).toBe(headers.etag)
  expect((await get({ ...BROWSER, 'if-none-match': '"another"' })).status).toBe(200)
})

test('HEAD answers with the headers of the page alone', async () => {
  const { status, headers, body } = await get(BROWSER, 'HEAD')
  expect(status).toBe(200)
  expect(Number(headers['content-length'])).toBeGreaterThan(100_000)
  expect(body).toHaveLength(0)
})

test('a program that asks for JSON does not get the page', async () => {
  for (const accept of ['application/json', 'application/graphql-response+json', '*/*']) {
    const { headers } = await send(app, '/graphql?query={__typename}', { headers: { accept, 'x-keyward-csrf': '1' } })
    expect(headers.get('content-type')).toMatch(/^application\/(graphql-response\+)?json/)
  }
})

test('many that open it at once get the whole page', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => get({ ...BROWSER, 'accept-encoding': 'gzip' })))
  expect(new Set(answers.map(({ body }) => body.length)).size).toBe(1)
})
