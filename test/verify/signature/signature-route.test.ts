import { createHash, createHmac, randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeywardError } from '../../../src/errors/keyward-error.ts'
import { createRequestNamer } from '../../../src/http/request-id.ts'
import { createHttpServer, type HttpServer } from '../../../src/http/server.ts'
import { formatPublicId } from '../../../src/public-id.ts'
import { createVerifyRequestParser } from '../../../src/verify/routes/parse-verify-request.ts'
import type { SignedVerifyRequest } from '../../../src/verify/signature/parse-signature-request.ts'
import { createSignatureRoute } from '../../../src/verify/signature/signature-route.ts'
import { NOT_FOUND } from '../../../src/verify/verdict.ts'
import { createManualClock } from '../../harness/manual-clock.ts'

const KEY_ID = formatPublicId('ApiKey', '01900000-0000-7000-8000-0000000000aa')
const body = {
  keyId: KEY_ID,
  timestamp: 1_764_547_200,
  nonce: 'n-1',
  method: 'GET',
  path: '/a',
  bodySha256: createHash('sha256').digest('hex'),
  signature: createHmac('sha256', randomBytes(32)).digest('hex'),
}

describe('POST /verify/signature', () => {
  let server: HttpServer
  let url: string
  let asked: SignedVerifyRequest[]

  beforeEach(async () => {
    asked = []
    const route = createSignatureRoute({
      authentication: {
        authenticate(authorization) {
          if (authorization !== 'Bearer good') throw new KeywardError('UNAUTHENTICATED', 'No.')
          return Promise.resolve({ id: 'test', tenantId: null })
        },
      },
      parseVerifyRequest: createVerifyRequestParser(),
      async verifySigned(request) {
        asked.push(request)
        if (request.rest.cost === 9) throw new KeywardError('UNAVAILABLE', 'Not now.', { retryAfterSeconds: 2 })
        return NOT_FOUND
      },
      toAnswer: (verdict, requestId) => ({ body: `${verdict.code} ${requestId}`, headers: [] }),
      clock: createManualClock(),
      logger: pino({ level: 'silent' }),
    })
    const logger = pino({ level: 'silent' })
    server = createHttpServer({ routes: [route], nameRequest: createRequestNamer(randomBytes), logger })
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
    url = `http://127.0.0.1:${port}/verify/signature`
  })

  afterEach(() => server.stop(1_000))

  function post(content: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    const all = { authorization: 'Bearer good', 'content-type': 'application/json', 'x-request-id': 'r-1', ...headers }
    return fetch(url, { method: 'POST', headers: all, body: text })
  }

  it('answers with the verdict about what was signed', async () => {
    const answer = await post({ ...body, scopes: ['a:b'] })
    expect([answer.status, await answer.text()]).toEqual([200, 'NOT_FOUND r-1'])
    expect(asked).toMatchObject([{ claim: { kind: 'readable', nonce: 'n-1' }, rest: { scopes: ['a:b'] } }])
  })

  it('reads nothing of a stranger’s body', async () => {
    const answer = await post('{', { authorization: 'Bearer bad' })
    expect(answer.status).toBe(401)
    expect(asked).toEqual([])
  })

  it('points at what is wrong with a body', async () => {
    const headers = { 'a/b ~': 1 }
    const answer = await post({ httpSignature: { method: 'GET', url: 'https://a/', headers } })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(await answer.json()).toMatchObject({
      code: 'VALIDATION_FAILED',
      requestId: 'r-1',
      errors: [{ pointer: '#/httpSignature/headers/a~1b%20~0' }],
    })
  })

  it('refuses what is no JSON, no JSON type, and too much', async () => {
    expect((await post('{')).status).toBe(400)
    expect((await post(body, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post({ ...body, userAgent: 'x'.repeat(33 * 1024) })).status).toBe(413)
    expect(asked).toEqual([])
  })

  it('says when nothing can be said, and when to ask again', async () => {
    const answer = await post({ ...body, cost: 9 })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2'])
  })

  it('takes POST alone', async () => {
    const answer = await fetch(url)
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
  })
})
