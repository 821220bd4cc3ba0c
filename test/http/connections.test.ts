import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { type Answer, sendAnswer } from '../../src/http/answer.ts'
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
    sendAnswer(res, toAnswer(await readBody(req, 100_000)), requestId)
  },
}

function toAnswer(text: string): Answer {
  return { status: 200, contentType: 'application/json', headers: [], body: JSON.stringify(text) }
}

const post = (path: string, body: string, ...fields: string[]): string =>
  `${[`POST ${path} HTTP/1.1`, 'Host: x', 'X-Request-Id: r', `Content-Length: ${body.length}`, ...fields].join('\r\n')}\r\n\r\n${body}`

describe('a body', () => {
  test('is whole, however it is cut on its way', async () => {
    const port = await start([echo])
    const bytes = Buffer.from(post('/echo', '{"a":"äöü"}'.replaceAll(/[äöü]/g, 'x'), 'Connection: close'))
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
    const port = await start([echo])
    const head = 'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
    const answer = await sendRaw({ port, parts: [head, body] })
    expect(JSON.parse(answer.body)).toBe(text)
  })

  test('is whole when the handler asks for it late', async () => {
    const port = await start([echo])
    const answer = await sendRaw({ port, parts: [post('/echo', 'late', 'X-Wait: 20', 'Connection: close')] })
    expect(JSON.parse(answer.body)).toBe('late')
  })

  test('is told from the next one on its connection, also when both come at once', async () => {
    const port = await start([echo])
    const requests = [
      post('/echo', 'first'),
      post('/echo', 'second', 'X-Wait: 10'),
      post('/echo', 'third', 'Connection: close'),
    ]
    const answer = await sendRaw({ port, parts: [requests.join('')] })
    const whole = `${answer.head}${answer.body}`
    expect(whole.match(/"(first|second|third)"/g)).toEqual(['"first"', '"second"', '"third"'])
  })

  test('whose client goes away in the middle leaves the server as it was', async () => {
    const port = await start([echo])
    const socket = connect({ port, host: '127.0.0.1' })
    socket.write(post('/echo', 'whole').slice(0, -2))
    await sleep(20)
    socket.destroy()
    await sleep(20)
    const answer = await sendRaw({ port, parts: [post('/echo', 'next', 'Connection: close')] })
    expect(JSON.parse(answer.body)).toBe('next')
  })
})

describe('a connection that nobody uses', () => {
  async function closedAfter(socket: Socket, startedAt: number): Promise<number> {
    socket.resume()
    await once(socket, 'close')
    return performance.now() - startedAt
  }

  test('is closed when its time is over, and not before', async () => {
    const port = await start([echo], 400)
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    socket.write(post('/echo', 'x'))
    expect(await closedAfter(socket, performance.now())).toBeGreaterThanOrEqual(350)
  })

  test('stays open while it is used', async () => {
    const port = await start([echo], 300)
    const socket = connect({ port, host: '127.0.0.1' })
    let answers = ''
    socket.on('data', (chunk) => {
      answers += chunk
    })
    for (let request = 0; request < 10; request++) {
      socket.write(post('/echo', 'x'))
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

  test('is one whose client does not take its answer, too', async () => {
    const large: Route = {
      method: 'POST',
      path: '/large',
      handle: (_req, res, requestId) => sendAnswer(res, toAnswer('x'.repeat(20_000_000)), requestId),
    }
    const port = await start([large], 400)
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.pause()
    socket.write(post('/large', 'x'))
    await sleep(2_000)
    let bytes = 0
    socket.on('data', (chunk) => {
      bytes += chunk.length
    })
    socket.resume()
    await once(socket, 'close')
    expect(bytes).toBeLessThan(20_000_000)
  })
})
