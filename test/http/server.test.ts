import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { KeywardError } from '../../src/errors/keyward-error.ts'
import { readBody } from '../../src/http/body.ts'
import { createRequestNamer } from '../../src/http/request-id.ts'
import type { Route } from '../../src/http/router.ts'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { systemRandomBytes } from '../../src/lib/random.ts'

interface Started {
  readonly server: HttpServer
  readonly baseUrl: string
  readonly port: number
  readonly logged: { err: unknown; requestId: string }[]
}

let started: Started[] = []
afterEach(async () => {
  await Promise.all(started.map(({ server }) => server.stop(0)))
  started = []
})

async function start(routes: readonly Route[], fallback?: Route['handle']): Promise<Started> {
  const logged: { err: unknown; requestId: string }[] = []
  const server = createHttpServer({
    routes,
    ...(fallback && { fallback }),
    nameRequest: createRequestNamer(systemRandomBytes),
    logger: { error: (line: unknown) => void logged.push(line as { err: unknown; requestId: string }) },
  })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  const result = { server, baseUrl: `http://127.0.0.1:${port}`, port, logged }
  started.push(result)
  return result
}

const hello: Route = { method: 'GET', path: '/hello', handle: (_req, res) => void res.end('hello') }

describe('failures of handlers', () => {
  const fail: readonly Route[] = [
    {
      method: 'GET',
      path: '/throws',
      handle: () => {
        throw new Error('password=hunter2')
      },
    },
    { method: 'GET', path: '/rejects', handle: async () => Promise.reject(new Error('password=hunter2')) },
    {
      method: 'GET',
      path: '/limited',
      handle: () => {
        throw new KeywardError('RATE_LIMITED', 'Slower.', { retryAfterSeconds: 7.2 })
      },
    },
    {
      method: 'GET',
      path: '/half',
      handle: (_req, res) => {
        res.writeHead(200, { 'Content-Length': '10' })
        res.write('half')
        throw new Error('too late')
      },
    },
  ]

  test.each(['/throws', '/rejects'])(
    '%s: an unexpected error is 500 without a word of its own, and logged',
    async (path) => {
      const { baseUrl, logged } = await start(fail)
      const response = await fetch(baseUrl + path)
      const text = await response.text()
      expect(response.status).toBe(500)
      expect(text).not.toContain('hunter2')
      const problem: unknown = JSON.parse(text)
      expect(problem).toMatchObject({ code: 'INTERNAL', requestId: response.headers.get('x-request-id') })
      expect(logged).toMatchObject([
        { err: { message: 'password=hunter2' }, requestId: response.headers.get('x-request-id') },
      ])
    },
  )

  test('an error of the catalogue has its status and headers, and is not logged', async () => {
    const { baseUrl, logged } = await start(fail)
    const response = await fetch(`${baseUrl}/limited`)
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('8')
    expect(logged).toEqual([])
  })

  test('an answer that fails in the middle is cut off, never completed with something else', async () => {
    const { baseUrl } = await start(fail)
    const reading = fetch(`${baseUrl}/half`).then((response) => response.text())
    await expect(reading).rejects.toThrow()
    expect((await fetch(`${baseUrl}/limited`)).status).toBe(429)
  })
})

describe('routes', () => {
  test('HEAD is answered where GET is, without a body', async () => {
    const { baseUrl } = await start([hello])
    const response = await fetch(`${baseUrl}/hello`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })

  test('paths that no route has go to the fallback', async () => {
    const { baseUrl } = await start([hello], (_req, res) => void res.end('fallback'))
    expect(await (await fetch(`${baseUrl}/other`)).text()).toBe('fallback')
    expect(await (await fetch(`${baseUrl}/hello`)).text()).toBe('hello')
  })

  test('a route for every method takes every method', async () => {
    const { baseUrl } = await start([{ ...hello, method: '*' }])
    for (const method of ['GET', 'POST', 'PATCH', 'OPTIONS']) {
      expect((await fetch(`${baseUrl}/hello`, { method })).status).toBe(200)
    }
  })

  test('one path and method given twice is a mistake that stops the start', async () => {
    await expect(start([hello, hello])).rejects.toThrow('/hello')
  })

  test('paths named like built-ins are unknown paths', async () => {
    const { baseUrl } = await start([hello])
    for (const path of ['/__proto__', '/constructor', '/toString'])
      expect((await fetch(baseUrl + path)).status).toBe(404)
  })
})

describe('stopping', () => {
  test('a request under way is finished, new connections are refused, idle ones closed', async () => {
    const release = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const slow: Route = {
      method: 'GET',
      path: '/slow',
      async handle(_req, res) {
        entered.resolve()
        await release.promise
        res.end('done')
      },
    }
    const { server, baseUrl, port } = await start([slow, hello])
    const idle = await openConnection(port)
    const answer = fetch(`${baseUrl}/slow`)
    await entered.promise
    const stopping = server.stop(10_000)
    await expect(fetch(`${baseUrl}/hello`)).rejects.toThrow()
    release.resolve()
    expect(await (await answer).text()).toBe('done')
    await stopping
    if (!idle.closed) await once(idle, 'close')
  })

  test('what is still open at the deadline is cut off', async () => {
    const entered = Promise.withResolvers<void>()
    const { server, baseUrl } = await start([{ method: 'GET', path: '/never', handle: () => entered.resolve() }])
    const answer = fetch(`${baseUrl}/never`)
    const outcome = expect(answer).rejects.toThrow()
    await entered.promise
    await server.stop(10)
    await outcome
  })

  test('an upgraded connection does not hold up the end', async () => {
    const { server, port } = await start([hello])
    const upgraded = Promise.withResolvers<void>()
    server.server.on('upgrade', (_req, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
      upgraded.resolve()
    })
    const socket = await openConnection(port)
    socket.on('error', () => undefined)
    socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    await upgraded.promise
    await server.stop(10)
  })

  test('stopping twice, or before listening, is no error', async () => {
    const { server } = await start([hello])
    await Promise.all([server.stop(10), server.stop(10)])
    const unused = createHttpServer({ routes: [], nameRequest: () => 'x', logger: { error: () => undefined } })
    await unused.stop(10)
  })

  test('a port that is taken rejects listening', async () => {
    const { port } = await start([hello])
    const second = createHttpServer({ routes: [], nameRequest: () => 'x', logger: { error: () => undefined } })
    await expect(second.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

test('a body that is awaited is handed over whole, and refused above its limit', async () => {
  const echo: Route = {
    method: 'POST',
    path: '/echo',
    handle: async (req, res) => void res.end(await readBody(req, 100_000)),
  }
  const { baseUrl } = await start([echo])
  const body = 'ä'.repeat(50_000)
  expect(await (await fetch(`${baseUrl}/echo`, { method: 'POST', body })).text()).toBe(body)
  expect((await fetch(`${baseUrl}/echo`, { method: 'POST', body: `${body}x` })).status).toBe(413)
})

function openConnection(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(socket))
    socket.on('error', reject)
    socket.resume()
  })
}
