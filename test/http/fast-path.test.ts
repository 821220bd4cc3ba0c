import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { KeywardError } from '../../src/errors/keyward-error.ts'
import { createJsonRoute, type JsonRoute } from '../../src/http/json-route.ts'
import type { Route } from '../../src/http/router.ts'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'

let servers: HttpServer[] = []
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop(0)))
  servers = []
})

const logger = { error: () => undefined }

interface Started {
  readonly port: number
  readonly server: HttpServer
}

async function start(routes: readonly Route[], times: { headers?: number; request?: number } = {}): Promise<Started> {
  const server = createHttpServer({
    routes,
    nameRequest: (given) => (typeof given === 'string' ? given : 'unnamed'),
    logger,
    headersTimeoutMs: times.headers ?? 10_000,
    requestTimeoutMs: times.request ?? 15_000,
  })
  servers.push(server)
  return { server, port: (await server.listen({ host: '127.0.0.1', port: 0 })).port }
}

/** Repeats what it was given. `wait` in the body makes it wait, `fail` makes it fail. */
function createEcho(onAsked: () => void = () => undefined): JsonRoute {
  return createJsonRoute(
    {
      path: '/echo',
      bodyBytesMax: 20_000,
      authenticate({ headers }) {
        if (headers.authorization === 'no') throw new KeywardError('UNAUTHENTICATED', 'No.')
        return headers.authorization === 'later' ? sleep(5).then(() => headers) : headers
      },
      answer(text, { authorization, 'x-forwarded-for': forwardedFor }) {
        onAsked()
        if (text.includes('fail')) throw new KeywardError('UNAVAILABLE', 'Not ä now.', { retryAfterSeconds: 3 })
        const escaped = encodeURIComponent(text)
        const answer = { body: JSON.stringify({ authorization, forwardedFor, escaped }), headers: ['X-Echo', 'yes'] }
        return text.includes('wait') ? sleep(20).then(() => answer) : answer
      },
    },
    logger,
  )
}

/** The same route for Node's server alone. */
function slowly({ method, path, handle }: JsonRoute): Route {
  return { method, path, handle }
}

function post(body: string, ...fields: string[]): string {
  const head = ['POST /echo HTTP/1.1', 'Host: x', 'Content-Type: application/json', ...fields]
  return `${head.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

async function open(port: number): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return { socket, text: () => text }
}

async function until(isTrue: () => boolean, deadlineMs = 5_000): Promise<void> {
  for (const end = performance.now() + deadlineMs; !isTrue() && performance.now() < end; ) await sleep(2)
}

/** Sends the parts, and ends when an answer has come or none comes; what came back until the server closes too. */
async function exchange(port: number, parts: readonly (string | Buffer)[], silenceMs = 5_000): Promise<string> {
  const { socket, text } = await open(port)
  for (const [place, part] of parts.entries()) {
    if (place > 0) await sleep(10)
    socket.write(part)
  }
  await until(() => text() !== '' || socket.closed, silenceMs)
  socket.end()
  if (!socket.closed) await once(socket, 'close')
  return text().replaceAll(/\r\nDate: [^\r]*/g, '')
}

describe('whatever is sent, the answer is the one that Node’s server gives', () => {
  test.each([
    ['a body', post('{"a":1}', 'Authorization: yes', 'X-Forwarded-For: 10.0.0.1')],
    ['a body that is waited for', post('"wait"')],
    ['a caller who is waited for', post('{}', 'Authorization: later')],
    ['a caller who is refused', post('{}', 'Authorization: no')],
    ['a caller who is refused, before the body has come', post('{}', 'Authorization: no').slice(0, -1)],
    ['more fields than a head may have', post('{}', ...Array.from({ length: 1_000 }, () => 'a:'))],
    ['a failure', post('"fail"', 'X-Request-Id: abc')],
    ['characters beyond ASCII', post('"äöü €"')],
    ['a body that is no UTF-8', Buffer.from(post('"xx"').replace('xx', '\xc3('), 'latin1')],
    ['a body that is too large', post('x'.repeat(20_001))],
    ['an empty body', post('')],
    ['another media type', post('{}').replace('application/json', 'text/plain')],
    ['another path', post('{}').replace('/echo', '/other')],
    ['a query', post('{}').replace('/echo', '/echo?a=b')],
    ['another method', post('{}').replace('POST', 'PUT')],
    ['another version', post('{}').replace('1.1', '1.0')],
    ['a version that does not exist', post('{}').replace('1.1', '1.7')],
    ['no host', post('{}').replace('Host: x\r\n', '')],
    ['a connection that ends', post('{}', 'Connection: close')],
    ['two lengths', post('{}', 'Content-Length: 20')],
    ['a length and chunks', post('{}', 'Transfer-Encoding: chunked')],
    ['no HTTP', 'hello\r\n\r\n'],
  ])('%s', async (_, bytes) => {
    const fast = await start([createEcho()])
    const slow = await start([slowly(createEcho())])
    const answer = await exchange(fast.port, [bytes])
    expect(answer).toMatch(/^HTTP\/1\.1 \d{3} /)
    expect(answer).toBe(await exchange(slow.port, [bytes]))
  })

  /** Lines that change how a request is read, and bytes that have no business in one. */
  const field = fc.constantFrom(
    'Transfer-Encoding: chunked',
    'Content-Length: 3',
    'Content-Length: 0',
    'Connection: close',
    'Connection: keep-alive',
    'Connection: upgrade',
    'Upgrade: x',
    'Host: y',
    'Content-Type: text/plain',
    'Content-Encoding: gzip',
    'Authorization: no',
    'Authorization: later',
    'X-Forwarded-For: 1.2.3.4',
    'X-Request-Id: abc',
    'X-A : b',
    ' folded',
    'X-A: \xe9',
    'no colon',
  )
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('field' as const), at: fc.nat(4), field }),
    fc.record({
      kind: fc.constant('byte' as const),
      at: fc.nat(140),
      byte: fc.constantFrom(0, 9, 10, 13, 32, 44, 58, 65, 127, 255),
    }),
    fc.record({
      kind: fc.constant('insert' as const),
      at: fc.nat(140),
      byte: fc.constantFrom(0, 9, 10, 13, 32, 48, 58, 255),
    }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(140) }),
  )
  const body = fc.constantFrom('{}', '{"a":"b"}', '"fail"', '"wait"', '', '"ä"')

  type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never

  function mutate(text: string, change: Mutation): string {
    switch (change.kind) {
      case 'field': {
        const lines = text.split('\r\n')
        lines.splice(1 + change.at, 0, change.field)
        return lines.join('\r\n')
      }
      case 'byte':
        return text.slice(0, change.at) + String.fromCharCode(change.byte) + text.slice(change.at + 1)
      case 'insert':
        return text.slice(0, change.at) + String.fromCharCode(change.byte) + text.slice(change.at)
      case 'cut':
        return text.slice(0, change.at) + text.slice(change.at + 1)
    }
  }

  /** Longer than a body is waited for before Node is asked what it says of a request that lacks a part of its body. */
  const SILENCE_MS = 3_000

  test('to requests with any faults, cut anywhere', async () => {
    const fast = await start([createEcho()])
    const slow = await start([slowly(createEcho())])
    const cases = fc.sample(fc.tuple(body, fc.array(mutation, { maxLength: 3 }), fc.nat(200)), 300)
    const differences: unknown[] = []
    async function compare([content, mutations, cut]: (typeof cases)[number]): Promise<void> {
      const whole = Buffer.from(post(content)).toString('latin1')
      const bytes = Buffer.from(mutations.reduce(mutate, whole), 'latin1')
      const parts = cut < bytes.length && cut % 2 === 0 ? [bytes.subarray(0, cut), bytes.subarray(cut)] : [bytes]
      const answers = await Promise.all([
        exchange(fast.port, parts, SILENCE_MS),
        exchange(slow.port, parts, SILENCE_MS),
      ])
      // Told when they are found, so that a seed is not needed.
      if (answers[0] !== answers[1]) differences.push({ request: bytes.toString('latin1'), cut, answers })
    }
    for (let place = 0; place < cases.length; place += 50)
      await Promise.all(cases.slice(place, place + 50).map(compare))
    expect(differences).toEqual([])
  })
})

describe('a connection', () => {
  test('carries any number of requests, each answered once and in order', async () => {
    const { port } = await start([createEcho()])
    const { socket, text } = await open(port)
    for (let count = 1; count <= 50; count++) {
      socket.write(post(`"${count % 7 === 0 ? 'wait' : 'go'} ${count}"`))
      await until(() => text().split('HTTP/1.1 200 OK').length - 1 === count)
    }
    const answered = [...text().matchAll(/%20(\d+)%22/g)].map(([, number]) => Number(number))
    expect(answered).toEqual(Array.from({ length: 50 }, (_, place) => place + 1))
    socket.destroy()
  })

  test('carries requests that do not wait for their answers', async () => {
    const { port } = await start([createEcho()])
    const { socket, text } = await open(port)
    // In pieces of which one waits, some hold several requests, and some end in the middle of one.
    const bytes = Array.from({ length: 40 }, (_, place) => post(`"${place === 3 ? 'wait' : 'go'} ${place}"`)).join('')
    socket.write(post('"wait 100"'))
    for (let at = 0; at < bytes.length; at += 333) {
      await sleep(1)
      socket.write(bytes.slice(at, at + 333))
    }
    await until(() => text().split('HTTP/1.1 200 OK').length === 42)
    const answered = [...text().matchAll(/%20(\d+)%22/g)].map(([, number]) => Number(number))
    expect(answered).toEqual([100, ...Array.from({ length: 40 }, (_, place) => place)])
    socket.destroy()
  })

  test('brings a body that follows its head, wherever it is cut', async () => {
    const { port } = await start([createEcho()])
    const bytes = Buffer.from(post('{"a":"äöü"}'))
    const cuts = Array.from({ length: bytes.length - 1 }, (_, place) => place + 1)
    const answers = await Promise.all(cuts.map((cut) => exchange(port, [bytes.subarray(0, cut), bytes.subarray(cut)])))
    for (const answer of answers) expect(answer).toContain(encodeURIComponent('{"a":"äöü"}'))
  })

  test('goes on after a request that was none for a JSON route, and the other way round', async () => {
    const hello: Route = { method: 'GET', path: '/hello', handle: (_req, res) => void res.end('hello') }
    const { port } = await start([createEcho(), hello])
    const { socket, text } = await open(port)
    const get = 'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n'
    for (const [place, request] of [post('1'), get, post('2'), get, post('3')].entries()) {
      socket.write(request)
      await until(() => text().split('HTTP/1.1 200 OK').length === place + 2)
    }
    expect(text().match(/hello|"escaped":"\d"/g)).toEqual([
      '"escaped":"1"',
      'hello',
      '"escaped":"2"',
      'hello',
      '"escaped":"3"',
    ])
    socket.destroy()
  })

  test('that the client has ended still brings the answer that is on its way', async () => {
    const { port } = await start([createEcho()])
    const { socket, text } = await open(port)
    socket.end(post('"wait"'))
    await once(socket, 'close')
    expect(text()).toContain('200 OK')
  })

  test('whose client goes away while it is answered leaves the server as it was', async () => {
    const { port } = await start([createEcho()])
    for (let count = 0; count < 20; count++) {
      const { socket } = await open(port)
      socket.write(post('"wait"'))
      await sleep(1)
      socket.resetAndDestroy()
    }
    await sleep(50)
    expect(await exchange(port, [post('"next"')])).toContain('next')
  })

  test('whose client reads no answers makes the server stop reading requests', async () => {
    let asked = 0
    const { port } = await start([createEcho(() => asked++)])
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.pause()
    const request = post(JSON.stringify('x'.repeat(15_000)))
    const sent = 4_000
    for (let count = 0; count < sent; count++) {
      socket.write(request)
      if (count % 20 === 0) await sleep(1)
    }
    for (let before = -1; before !== asked; ) {
      before = asked
      await sleep(300)
    }
    expect(asked).toBeLessThan(sent)
    socket.destroy()
  })

  test('that sends nothing is told so, and closed', async () => {
    const { port } = await start([createEcho()], { headers: 300 })
    const { socket, text } = await open(port)
    await once(socket, 'close')
    expect(text()).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('that sends half a body is told so, and closed', async () => {
    const { port } = await start([createEcho()], { request: 300 })
    const { socket, text } = await open(port)
    socket.write(post('"half"').slice(0, -2))
    await once(socket, 'close')
    expect(text()).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('that ends in the middle of a body is told so, and closed', async () => {
    const { port } = await start([createEcho()])
    const { socket, text } = await open(port)
    socket.end(post('"half"').slice(0, -2))
    await once(socket, 'close')
    expect(text()).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('stopping', () => {
  test('closes what waits for nothing, and lets what is under way come to its end', async () => {
    const { port, server } = await start([createEcho()])
    const [idle, used, waiting, half] = await Promise.all([open(port), open(port), open(port), open(port)])
    used.socket.write(post('"used"'))
    await until(() => used.text() !== '')
    waiting.socket.write(post('"wait"'))
    const request = post('"half"')
    half.socket.write(request.slice(0, -3))
    await sleep(10)
    const stopping = server.stop(5_000)
    await Promise.all([once(idle.socket, 'close'), once(used.socket, 'close')])
    half.socket.write(request.slice(-3))
    await stopping
    await Promise.all([waiting, half].map(async ({ socket }) => socket.closed || once(socket, 'close')))
    for (const { text } of [waiting, half]) {
      expect(text()).toContain('200 OK')
      expect(text()).toContain('\r\nConnection: close\r\n')
    }
    expect([idle.text(), used.text().split('HTTP/1.1').length]).toEqual(['', 2])
  })

  test('answers requests that were on their way', async () => {
    const { port, server } = await start([createEcho()])
    const clients = await Promise.all(Array.from({ length: 20 }, () => open(port)))
    for (const { socket } of clients) socket.write(post('"first"'))
    await until(() => clients.every(({ text }) => text() !== ''))
    for (const { socket } of clients) socket.write(post('"second"'))
    await server.stop(5_000)
    await Promise.all(clients.map(async ({ socket }) => socket.closed || once(socket, 'close')))
    for (const { text } of clients) expect(text()).toContain('\r\nConnection: close\r\n')
  })

  test('waits neither for what a client sends behind its last request, nor for clients that keep their side open', async () => {
    const { port, server } = await start([createEcho()])
    const behind = await open(port)
    const halfOpen = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    halfOpen.on('error', () => undefined).resume()
    await once(halfOpen, 'connect')
    for (const socket of [behind.socket, halfOpen]) socket.write(post('"wait"'))
    await sleep(10)
    behind.socket.write(post('"behind"'))
    await sleep(5)
    const stoppedAt = performance.now()
    await server.stop(30_000)
    expect(performance.now() - stoppedAt).toBeLessThan(15_000)
    if (!behind.socket.closed) await once(behind.socket, 'close')
    expect(behind.text()).toContain('wait')
    halfOpen.destroy()
  })
})
