import { Agent } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sendGraphQL } from '../../harness/client.ts'
import { ApiKeyRevoke } from '../../harness/operations.ts'
import type { ClientAnswer, HeaderList } from './client.ts'
import { type ProxiedApp, startProxiedApp } from './proxied-app.ts'
import type { StartProxy } from './proxy-process.ts'
import type { ServiceRequest } from './service.ts'

/** What the configurations of the document promise, whichever proxy runs them. */
export function describeProxy(name: string, startProxy: StartProxy, more: (get: () => ProxiedApp) => void): void {
  describe(`a service behind ${name}`, () => {
    let proxied: ProxiedApp
    beforeAll(async () => {
      proxied = await startProxiedApp(startProxy)
    })
    beforeEach(() => void proxied.service.takeReceived())
    afterAll(() => proxied?.stop())

    /** Sends, and says what reached the service of it. */
    async function visit(
      request: Parameters<ProxiedApp['send']>[0],
    ): Promise<ClientAnswer & { reached?: ServiceRequest }> {
      const answer = await proxied.send(request)
      const [reached] = proxied.service.takeReceived()
      return reached === undefined ? answer : { ...answer, reached }
    }

    async function expectRefused(request: Parameters<ProxiedApp['send']>[0], status: number): Promise<ClientAnswer> {
      const { reached, ...answer } = await visit(request)
      expect(reached).toBeUndefined()
      expect(answer.status).toBe(status)
      return answer
    }

    describe('is reached', () => {
      test('with a good key, told whose it is, and not shown the key', async () => {
        const { token, apiKeyId } = await proxied.key({ ownerId: 'größer', environment: 'STAGING' })
        const { status, text, reached } = await visit({ path: '/orders/7?page=2', headers: [['X-API-Key', token]] })
        expect({ status, text }).toEqual({ status: 200, text: 'service' })
        expect(reached).toMatchObject({
          method: 'GET',
          url: '/orders/7?page=2',
          headers: {
            'x-keyward-key-id': apiKeyId,
            'x-keyward-tenant': proxied.tenant.slug,
            'x-keyward-owner': 'gr%C3%B6%C3%9Fer',
            'x-keyward-environment': 'STAGING',
            'x-keyward-scopes': 'orders:read',
          },
        })
        expect(JSON.stringify(reached)).not.toContain(token)
      })

      test.each(['Bearer', 'ApiKey', 'bearer'])('with the key in Authorization: %s', async (scheme) => {
        const { token } = await proxied.key()
        const { status, reached } = await visit({ headers: [['Authorization', `${scheme} ${token}`]] })
        expect(status).toBe(200)
        expect(JSON.stringify(reached)).not.toContain(token)
      })

      test('with the same key in both headers', async () => {
        const { token } = await proxied.key()
        const headers: HeaderList = [
          ['X-API-Key', token],
          ['Authorization', `Bearer ${token}`],
        ]
        expect((await visit({ headers })).status).toBe(200)
      })

      test.each(['POST', 'PUT', 'PATCH', 'DELETE'])(
        'by %s with a body of 500 KB, announced or in chunks',
        async (method) => {
          const { token } = await proxied.key()
          const body = Buffer.alloc(500_000, 'x')
          for (const framing of [
            ['Content-Length', '500000'],
            ['Transfer-Encoding', 'chunked'],
          ] as const) {
            const { status, reached } = await visit({ method, headers: [['X-API-Key', token], framing], body })
            expect({ status, bodyBytes: reached?.bodyBytes, method: reached?.method }).toEqual({
              status: 200,
              bodyBytes: 500_000,
              method,
            })
          }
        },
      )
    })

    describe('is not reached', () => {
      test('without a key, and the client is challenged', async () => {
        const { headers } = await expectRefused({}, 401)
        expect(headers['www-authenticate']).toBe('Bearer realm="api"')
      })

      test('with an unknown key', async () => {
        const { headers } = await expectRefused({ headers: [['X-API-Key', 'unknown']] }, 401)
        expect(headers['www-authenticate']).toBe('Bearer realm="api", error="invalid_token"')
      })

      test('with a key in the query', async () => {
        const { token } = await proxied.key()
        for (const name of ['key', 'api_key', 'access_token']) await expectRefused({ path: `/?${name}=${token}` }, 401)
      })

      test('with two different keys, in two headers or in one twice', async () => {
        const [{ token: one }, { token: other }] = [await proxied.key(), await proxied.key()]
        await expectRefused(
          {
            headers: [
              ['X-API-Key', one],
              ['Authorization', `Bearer ${other}`],
            ],
          },
          401,
        )
        const twice = await visit({
          headers: [
            ['X-API-Key', one],
            ['X-API-Key', other],
          ],
        })
        expect(twice.reached).toBeUndefined()
        expect([400, 401]).toContain(twice.status)
      })

      test('with a key that lacks the scope', async () => {
        const { token } = await proxied.key({ scopes: ['orders:write'] })
        await expectRefused({ headers: [['X-API-Key', token]] }, 403)
      })

      test('with a key that was revoked a moment ago', async () => {
        const { token, apiKeyId: id } = await proxied.key()
        expect((await visit({ headers: [['X-API-Key', token]] })).status).toBe(200)
        await sendGraphQL(proxied.app, ApiKeyRevoke, { id, input: { reason: 'leaked' } }, proxied.admin.accessToken)
        await expectRefused({ headers: [['X-API-Key', token]] }, 401)
      })

      test('by a body of 500 KB without a key, and the connection survives', async () => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        const headers: HeaderList = [['Content-Length', '500000']]
        await expectRefused({ method: 'POST', headers, body: Buffer.alloc(500_000), agent }, 401)
        const { token } = await proxied.key()
        expect((await visit({ headers: [['X-API-Key', token]], agent })).status).toBe(200)
        agent.destroy()
      })

      test('when a limit is reached: 429 with the code and the time to wait', async () => {
        const { token } = await proxied.key({}, { perMinute: 2 })
        const headers: HeaderList = [['X-API-Key', token]]
        for (let request = 0; request < 2; request++) expect((await visit({ headers })).status).toBe(200)
        const limited = await expectRefused({ headers }, 429)
        expect(limited.headers['x-keyward-code']).toBe('RATE_LIMITED')
        expect(Number(limited.headers['retry-after'])).toBeGreaterThanOrEqual(1)
      })

      test('while Keyward is away, and again once it is back', async () => {
        const { token } = await proxied.key()
        const headers: HeaderList = [['X-API-Key', token]]
        proxied.relay.isCut = true
        try {
          const { status, reached } = await visit({ headers })
          expect(reached).toBeUndefined()
          expect([500, 502, 503]).toContain(status)
        } finally {
          proxied.relay.isCut = false
        }
        let status = 0
        // The proxy may hold Keyward for down for some seconds.
        while (status !== 200) status = (await visit({ headers })).status
      })
    })

    describe('is told by the proxy, not by a stranger,', () => {
      test('whose key it was', async () => {
        const { token, apiKeyId } = await proxied.key({ ownerId: null })
        const made = ['Key-Id', 'Tenant', 'Owner', 'Environment', 'Scopes'].map(
          (name) => [`X-Keyward-${name}`, 'made-up'] as const,
        )
        const { reached } = await visit({ headers: [['X-API-Key', token], ...made] })
        expect(reached?.headers).toMatchObject({ 'x-keyward-key-id': apiKeyId, 'x-keyward-scopes': 'orders:read' })
        expect(JSON.stringify(reached)).not.toContain('made-up')
      })

      test('who verifies', async () => {
        const { token } = await proxied.key()
        const own: HeaderList = [['X-Keyward-Verifier', 'made-up']]
        const { status, reached } = await visit({ headers: [['X-API-Key', token], ...own] })
        expect(status).toBe(200)
        expect(JSON.stringify(reached)).not.toContain(proxied.app.firstStart.verifierToken)
      })

      test('where the request comes from', async () => {
        const [{ token: fromShop }, { token: fromHere }] = await Promise.all([
          proxied.key({}, { ipAllowlist: ['203.0.113.0/24'] }),
          proxied.key({}, { ipAllowlist: ['127.0.0.2/32'] }),
        ])
        const lies = ['203.0.113.7', '203.0.113.7, 127.0.0.1'].map((lie): HeaderList => [['X-Forwarded-For', lie]])
        for (const headers of [[], ...lies]) {
          await expectRefused({ headers: [['X-API-Key', fromShop], ...headers], from: '127.0.0.2' }, 403)
          expect((await visit({ headers: [['X-API-Key', fromHere], ...headers], from: '127.0.0.2' })).status).toBe(200)
          await expectRefused({ headers: [['X-API-Key', fromHere], ...headers], from: '127.0.0.3' }, 403)
        }
      })

      test.each<[string, HeaderList]>([
        ['no headers', []],
        [
          'X-Forwarded-Uri',
          [
            ['X-Forwarded-Uri', '/orders/1'],
            ['X-Forwarded-Method', 'GET'],
          ],
        ],
        [
          'X-Original-URI',
          [
            ['X-Original-URI', '/orders/1'],
            ['X-Original-Method', 'GET'],
          ],
        ],
        [
          'both',
          [
            ['X-Forwarded-Uri', '/orders/1'],
            ['X-Original-URI', '/orders/1'],
            ['X-Original-Method', 'GET'],
          ],
        ],
        [
          'X-Forwarded-Uri twice',
          [
            ['X-Forwarded-Uri', '/orders/1'],
            ['X-Forwarded-Uri', '/orders/1'],
          ],
        ],
        [
          'a Connection header that names them',
          [['Connection', 'X-Forwarded-Uri, X-Original-URI, X-Forwarded-Method']],
        ],
      ])('what is asked for, against %s', async (_, headers) => {
        const { token } = await proxied.key({}, { paths: ['/orders/**'], methods: ['GET'] })
        const withKey: HeaderList = [['X-API-Key', token], ...headers]
        await expectRefused({ path: '/admin', headers: withKey }, 403)
        await expectRefused({ path: '/orders/../admin', headers: withKey }, 403)
        await expectRefused({ path: '/orders/1', method: 'DELETE', headers: withKey }, 403)
        const names = headers.map(([header]) => header)
        if (!names.includes('Connection')) {
          expect((await visit({ path: '/orders/2?to=/admin', headers: withKey })).status).toBe(200)
        }
      })
    })

    test('a Connection header that names the verifier or the address lets nobody in', async () => {
      const { token } = await proxied.key({}, { ipDenylist: ['127.0.0.2'] })
      for (const dropped of ['X-Keyward-Verifier', 'X-Forwarded-For', 'X-API-Key']) {
        const { status, reached } = await visit({
          headers: [
            ['X-API-Key', token],
            ['Connection', dropped],
          ],
          from: '127.0.0.2',
        })
        expect(reached).toBeUndefined()
        expect([401, 403]).toContain(status)
      }
    })

    test('the proxy keeps its connections to Keyward', async () => {
      const { token } = await proxied.key()
      const before = proxied.relay.connectionCount
      for (let request = 0; request < 50; request++) {
        expect((await visit({ headers: [['X-API-Key', token]] })).status).toBe(200)
        await expectRefused({ headers: [['X-API-Key', 'unknown']] }, 401)
      }
      expect(proxied.relay.connectionCount - before).toBeLessThanOrEqual(2)
    })

    more(() => proxied)
  })
}
