import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { readBody } from '../../src/http/body.ts'
import { createRequestNamer } from '../../src/http/request-id.ts'
import type { Route } from '../../src/http/router.ts'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { systemRandomBytes } from '../../src/lib/random.ts'
import { sendRaw } from './raw-request.ts'

let servers: HttpServer[] = []
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop(0)))
  servers = []
})

async function start(routes: readonly Route[], keepAliveTimeoutMs?: number): Promise<number> {
  const server = createHttpServer({
    routes,
    nameRequest: createRequestNamer(systemRandomBytes),
    logger: { error: () => undefined },
    ...(keepAliveTimeoutMs !== undefined && { keepAliveTimeoutMs }),
  })
  servers.push(server)
  return (await server.listen({ host: '127.0.0.1', port: 0 })).port
}

/** Answers with the body, after as many turns of the event loop as asked, during which the body may come. */
const echo: Route = {
  method: 'POST',
  path: '/echo',
  async handle(req, res, requestId) {
    await sleep(Number(req.headers['x-wait'] ?? 0))
    res.sendJson(JSON.stringify(await readBody(req, 100_000)), requestId)
  },
}

const direct: Route = {
  method: 'POST',
  path: '/direct',
  handle(req, res, requestId) {
    return readBody(req, 1_000).then((text) => res.sendJson(JSON.stringify(text), requestId))
  },
}

const fieldByField: Route = {
  method: 'POST',
  path: '/field-by-field',
  handle(req, res, requestId) {
    return readBody(req, 1_000).then((text) => {
      const body = JSON.stringify(text)
      res.writeHead(200, [
        'Content-Type',
        'application/json',
        'Content-Length',
        String(body.length),
        'Cache-Control',
        'no-store',
        'X-Request-Id',
        requestId,
      ])
      res.end(body, 'latin1')
    })
  },
}

const post = (path: string, body: string, ...fields: string[]): string =>
  `${[`POST ${path} HTTP/1.1`, 'Host: x', 'X-Request-Id: r', `Content-Length: ${body.length}`, ...fields].join('\r\n')}\r\n\r\n${body}`

describe('a body that is taken without a stream', () => {
  test('is whole, however it is cut on its way', async () => {
    const port = await start([direct])
    const bytes = Buffer.from(post('/direct', '{"a":"äöü"}'.replaceAll(/[äöü]/g, 'x'), 'Connection: close'))
    for (let cut = 1; cut < bytes.length; cut += 7) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      let answer = ''
      socket.on('data', (chunk) => {
        answer += chunk
      })
      socket.write(bytes.subarray(0, cut))
      await new Promise((resolve) => setImmediate(resolve))
      socket.write(bytes.subarray(cut))
      await once(socket, 'close')
      expect(answer).toMatch(/"\{\\"a\\":\\"xxx\\"\}"$/)
    }
  })

  test.each([
    ['in chunks', '4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n', 'abcdefg'],
    ['in chunks, and empty', '0\r\n\r\n', ''],
  ])('%s, is whole', async (_, body, text) => {
    const port = await start([direct])
    const head = 'POST /direct HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
    const answer = await sendRaw({ port, parts: [head, body] })
    expect(JSON.parse(answer.body)).toBe(text)
  })

  test('is whole when the handler asks for it late', async () => {
    const port = await start([echo])
    const answer = await sendRaw({ port, parts: [post('/echo', 'late', 'X-Wait: 20', 'Connection: close')] })
    expect(JSON.parse(answer.body)).toBe('late')
  })

  test('is told from the next one on its connection, also when both come at once', async () => {
    const port = await start([direct, echo])
    const requests = [
      post('/direct', 'first'),
      post('/echo', 'second', 'X-Wait: 10'),
      post('/direct', 'third', 'Connection: close'),
    ]
    const answer = await sendRaw({ port, parts: [requests.join('')] })
    const whole = `${answer.head}${answer.body}`
    expect(whole.match(/"(first|second|third)"/g)).toEqual(['"first"', '"second"', '"third"'])
  })

  test('whose client goes away in the middle leaves the server as it was', async () => {
    const port = await start([direct])
    const socket = connect({ port, host: '127.0.0.1' })
    socket.write(post('/direct', 'whole').slice(0, -2))
    await sleep(20)
    socket.destroy()
    await sleep(20)
    const answer = await sendRaw({ port, parts: [post('/direct', 'next', 'Connection: close')] })
    expect(JSON.parse(answer.body)).toBe('next')
  })
})

describe('an answer whose head is given as text', () => {
  test.each([
    ['HTTP/1.1', 'Connection: close'],
    ['HTTP/1.0', 'X: y'],
  ])('over %s with %s is what Node would have sent', async (version, field) => {
    const port = await start([direct, fieldByField])
    const [ours, nodes] = await Promise.all(
      ['/direct', '/field-by-field'].map((path) =>
        sendRaw({ port, parts: [post(path, 'body', field).replace('HTTP/1.1', version)] }),
      ),
    )
    expect(ours?.head.replace(/Date: .*/, '')).toBe(nodes?.head.replace(/Date: .*/, ''))
    expect(ours?.head).toMatch(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/)
    expect(ours?.body).toBe(nodes?.body)
  })

  test('keeps the connection, and says for how long it may be relied on', async () => {
    const port = await start([direct])
    const answer = await sendRaw({ port, parts: [post('/direct', 'one'), post('/direct', 'two', 'Connection: close')] })
    expect(answer.head).toContain('\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60')
    expect(answer.body).toContain('\r\nConnection: close\r\n')
  })
})

describe('a connection that nobody uses', () => {
  async function closedAfter(socket: Socket, startedAt: number): Promise<number> {
    socket.resume()
    await once(socket, 'close')
    return performance.now() - startedAt
  }

  test('is closed when its time is over, and not before', async () => {
    const port = await start([direct], 400)
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    socket.write(post('/direct', 'x'))
    expect(await closedAfter(socket, performance.now())).toBeGreaterThanOrEqual(350)
  })

  test('stays open while it is used', async () => {
    const port = await start([direct], 300)
    const socket = connect({ port, host: '127.0.0.1' })
    let answers = ''
    socket.on('data', (chunk) => {
      answers += chunk
    })
    for (let request = 0; request < 10; request++) {
      socket.write(post('/direct', 'x'))
      await sleep(100)
    }
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(10)
    socket.destroy()
  })

  test('stays open while an answer is on its way', async () => {
    const port = await start([echo], 200)
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    const startedAt = performance.now()
    socket.write(post('/echo', 'x', 'X-Wait: 600'))
    expect(await closedAfter(socket, startedAt)).toBeGreaterThanOrEqual(750)
  })
})
