import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHealthRoutes } from '../../src/http/health.ts'
import { createMetricsRoute } from '../../src/http/metrics.ts'
import { createRequestNamer } from '../../src/http/request-id.ts'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { systemRandomBytes } from '../../src/lib/random.ts'

let server: HttpServer
let baseUrl: string
let check: () => Promise<void> = async () => undefined
const counts = { VALID: 3, REVOKED: 1 }

beforeAll(async () => {
  server = createHttpServer({
    routes: [
      ...createHealthRoutes({
        database: () => check(),
      }),
      createMetricsRoute([
        { name: 'verdicts_total', help: 'By code.', kind: 'counter', label: 'code', read: () => counts },
        { name: 'size', help: 'One number.', kind: 'gauge', read: () => ({ value: 7 }) },
      ]),
    ],
    nameRequest: createRequestNamer(systemRandomBytes),
    logger: { error: () => undefined },
  })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  baseUrl = `http://127.0.0.1:${port}`
})
afterAll(() => server.stop(0))

describe('health', () => {
  const ready = ['/health', '/health/ready', '/readyz']
  const live = ['/health/live', '/healthz']

  test.each([...ready, ...live])('%s is 200 while everything works', async (path) => {
    check = async () => undefined
    const response = await fetch(baseUrl + path)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ status: 'ok' })
  })

  test.each(ready)('%s is 503 while a check fails, and says which one but not why', async (path) => {
    check = async () => {
      throw new Error('connect ECONNREFUSED 10.1.2.3:5432')
    }
    const response = await fetch(baseUrl + path)
    const text = await response.text()
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(JSON.parse(text)).toEqual({ status: 'unavailable', checks: { database: 'failed' } })
  })

  test.each(live)('%s stays 200 while a check fails: a restart would not help', async (path) => {
    expect((await fetch(baseUrl + path)).status).toBe(200)
  })

  test('any number of callers at one time cause one check', async () => {
    let checks = 0
    const release = Promise.withResolvers<void>()
    const database = () => {
      checks++
      return release.promise
    }
    const route = createHealthRoutes({ database }).find(({ path }) => path === '/health')
    const answers = Array.from({ length: 20 }, () => {
      const req = new IncomingMessage(new Socket())
      return route?.handle(req, new ServerResponse(req), 'id')
    })
    release.resolve()
    await Promise.all(answers)
    expect(checks).toBe(1)
  })
})

test('metrics are the numbers as they are when somebody asks, however often', async () => {
  for (const valid of [3, 5]) {
    counts.VALID = valid
    const text = await (await fetch(`${baseUrl}/metrics`)).text()
    expect(text).toContain(`verdicts_total{code="VALID"} ${valid}`)
    expect(text).toContain('verdicts_total{code="REVOKED"} 1')
    expect(text).toContain('size 7')
    expect(text).toContain('process_cpu_seconds_total')
  }
})
