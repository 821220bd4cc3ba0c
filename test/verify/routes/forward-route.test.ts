import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sendRaw } from '../../http/raw-request.ts'
import { keyRecord, newToken } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'
import { askForward, type ForwardCall, type ForwardReply } from './forward-client.ts'

let fixture: VerifyFixture
/** The same, with loopback as the network of trusted proxies. */
let behindProxy: VerifyFixture
const backing = createMemoryBacking()

beforeAll(async () => {
  fixture = await startVerifyFixture(backing)
  behindProxy = await startVerifyFixture(backing, { trustedProxies: ['127.0.0.1/32'] })
})
beforeEach(() => {
  backing.source.isDown = false
})
afterAll(async () => {
  await fixture.stop()
  await behindProxy.stop()
})

async function put(overrides: Parameters<typeof keyRecord>[0] = {}): Promise<string> {
  const token = newToken()
  await fixture.put(token, keyRecord(overrides))
  return token
}

type Headers = ForwardCall['headers']

/** Asks as a proxy that has a verifier of the platform. */
function ask(headers: Headers, call: Partial<ForwardCall> = {}, from = fixture): Promise<ForwardReply> {
  const verifier = ['X-Keyward-Verifier', from.platformVerifier] as const
  return askForward({ port: from.port, ...call, headers: [verifier, ...headers] })
}

const withKey = (key: string): Headers => [['X-API-Key', key]]

function expectDenied(reply: ForwardReply, status: number, code: string): void {
  expect({ status: reply.status, code: reply.headers['x-keyward-code'] }).toEqual({ status, code })
  expect(reply.headers['content-type']).toBe('application/problem+json')
  expect(reply.headers['cache-control']).toBe('no-store')
  expect(JSON.parse(reply.text)).toMatchObject({
    type: expect.stringMatching(/^urn:keyward:(verdict|error):[a-z-]+$/),
    status,
    code,
    detail: expect.any(String),
    requestId: reply.headers['x-request-id'],
  })
  expect('www-authenticate' in reply.headers).toBe(status === 401)
}

describe('a key that is let in', () => {
  test('is 204 without a body, and headers say whose it is', async () => {
    const key = await put({ ownerId: 'customer-1', scopes: ['orders:read', 'crm:*'], environment: 'STAGING' })
    const { body: verdict } = await fixture.ask({ key })
    const reply = await ask(withKey(key))
    expect(reply.status).toBe(204)
    expect(reply.text).toBe('')
    expect(reply.headers).toMatchObject({
      'x-keyward-code': 'VALID',
      'x-keyward-key-id': verdict.keyId,
      'x-keyward-tenant': 'acme',
      'x-keyward-tenant-id': verdict.tenantId,
      'x-keyward-owner': 'customer-1',
      'x-keyward-environment': 'STAGING',
      'x-keyward-scopes': 'orders:read,crm:*',
      'x-request-id': expect.any(String),
      'cache-control': 'no-store',
    })
  })

  test('has every header, empty where there is nothing to say: a copying proxy thereby overwrites what a stranger sent', async () => {
    const { headers } = await ask(withKey(await put({ ownerId: null, scopes: [] })))
    expect(headers).toMatchObject({ 'x-keyward-owner': '', 'x-keyward-scopes': '' })
  })

  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'may be asked about with %s',
    async (method) => {
      expect((await ask(withKey(await put()), { method })).status).toBe(204)
    },
  )

  test('is told its limits', async () => {
    const { headers } = await ask(withKey(await put({ config: { perMinute: 100 } })))
    expect(headers).toMatchObject({ 'ratelimit-policy': '"minute";q=100;w=60', ratelimit: '"minute";r=99;t=60' })
  })

  test('is counted, and so is one that is not', async () => {
    const before = { ...fixture.dataPlane.verdictCounts }
    await ask(withKey(await put()))
    await ask(withKey(newToken()))
    const { VALID, NOT_FOUND } = fixture.dataPlane.verdictCounts
    expect([VALID - before.VALID, NOT_FOUND - before.NOT_FOUND]).toEqual([1, 1])
  })
})

describe('where the key is', () => {
  test.each<[string, (key: string) => Headers]>([
    ['X-API-Key', (key) => [['X-API-Key', key]]],
    ['Authorization: Bearer', (key) => [['Authorization', `Bearer ${key}`]]],
    ['Authorization: ApiKey', (key) => [['Authorization', `ApiKey ${key}`]]],
    ['Authorization with the scheme in another case', (key) => [['authorization', `bEARER  ${key} `]]],
    [
      'both, the same',
      (key) => [
        ['X-API-Key', key],
        ['Authorization', `Bearer ${key}`],
      ],
    ],
    [
      'X-API-Key twice, the same',
      (key) => [
        ['X-API-Key', key],
        ['X-Api-Key', key],
      ],
    ],
    [
      'X-API-Key beside a user and password',
      (key) => [
        ['X-API-Key', key],
        ['Authorization', 'Basic dTpw'],
      ],
    ],
    [
      'Authorization beside an empty X-API-Key',
      (key) => [
        ['X-API-Key', ''],
        ['Authorization', `Bearer ${key}`],
      ],
    ],
    [
      'X-API-Key beside an empty Authorization',
      (key) => [
        ['X-API-Key', key],
        ['Authorization', ''],
      ],
    ],
    [
      'X-API-Key beside a scheme without a token',
      (key) => [
        ['X-API-Key', key],
        ['Authorization', 'Bearer'],
      ],
    ],
  ])('%s is read', async (_, headersOf) => {
    expect((await ask(headersOf(await put()))).status).toBe(204)
  })

  test.each<[string, (key: string, other: string) => Headers]>([
    [
      'both headers',
      (key, other) => [
        ['X-API-Key', key],
        ['Authorization', `Bearer ${other}`],
      ],
    ],
    [
      'X-API-Key twice',
      (key, other) => [
        ['X-API-Key', key],
        ['X-API-Key', other],
      ],
    ],
    [
      'Authorization twice',
      (key, other) => [
        ['Authorization', `Bearer ${key}`],
        ['Authorization', `ApiKey ${other}`],
      ],
    ],
  ])(
    'two different keys in %s are 401, though both are live: the service might use the other one',
    async (_, headersOf) => {
      const reply = await ask(headersOf(await put(), await put()))
      expectDenied(reply, 401, 'UNAUTHENTICATED')
      expect(reply.headers['www-authenticate']).toBe('Bearer realm="api"')
    },
  )

  test.each<[string, Headers]>([
    ['no header', []],
    ['an empty X-API-Key', [['X-API-Key', '']]],
    ['a blank X-API-Key', [['X-API-Key', '  ']]],
    ['another scheme', [['Authorization', 'Basic dTpw']]],
    ['a scheme alone', [['Authorization', 'Bearer']]],
    ['a token without scheme', [['Authorization', 'acme_live_x']]],
  ])('%s is 401, challenged without an error', async (_, headers) => {
    const reply = await ask(headers)
    expectDenied(reply, 401, 'UNAUTHENTICATED')
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="api"')
  })

  test('two keys that an intermediary joined with a comma are unknown', async () => {
    expectDenied(await ask([['X-API-Key', `${await put()}, ${await put()}`]]), 401, 'NOT_FOUND')
  })

  test.each(['key', 'api_key', 'apiKey', 'token', 'access_token'])(
    'a key in the query is never read: ?%s= is 400',
    async (name) => {
      expectDenied(await ask([], { query: `?${name}=${await put()}` }), 400, 'VALIDATION_FAILED')
    },
  )
})

describe('denials', () => {
  const LATER = Date.parse('2026-03-04T05:06:07.890Z')
  const ALWAYS_CLOSED = { days: ['SAT'], start: '01:00', end: '01:01', timeZone: 'UTC' } as const

  test.each<[string, number, Parameters<typeof keyRecord>[0]]>([
    ['REVOKED', 401, { revokedAt: 1 }],
    ['DISABLED', 401, { disabledAt: 1 }],
    ['EXPIRED', 401, { expiresAt: LATER }],
    ['TENANT_SUSPENDED', 403, { tenantSuspendedAt: 1 }],
    ['IP_DENIED', 403, { config: { ipAllowlist: ['10.0.0.0/8'] } }],
    ['USER_AGENT_DENIED', 403, { config: { userAgents: ['curl/*'] } }],
    ['ENDPOINT_DENIED', 403, { config: { methods: ['GET'] } }],
    ['OUTSIDE_TIME_WINDOW', 403, { config: { timeWindows: [ALWAYS_CLOSED] } }],
    ['RATE_LIMITED', 429, { config: { perMinute: 0 } }],
    ['QUOTA_EXCEEDED', 429, { config: { perDay: 0 } }],
  ])('%s is %i', async (code, status, overrides) => {
    const reply = await ask(withKey(await put(overrides)))
    expectDenied(reply, status, code)
    expect('retry-after' in reply.headers).toBe(status === 429)
    if (status === 401) expect(reply.headers['www-authenticate']).toBe('Bearer realm="api", error="invalid_token"')
  })

  test('NOT_FOUND is 401, for a foreign key and an unknown one in the same bytes', async () => {
    const verifier = ['X-Keyward-Verifier', fixture.globexVerifier] as const
    const fixed = ['X-Request-Id', 'fixed'] as const
    const [foreign, unknown] = await Promise.all(
      [await put(), newToken()].map((key) => {
        return askForward({ port: fixture.port, headers: [verifier, fixed, ['X-API-Key', key]] })
      }),
    )
    expectDenied(foreign as ForwardReply, 401, 'NOT_FOUND')
    expect(foreign?.text).toBe(unknown?.text)
    const withoutDate = (reply?: ForwardReply) => reply?.rawHeaders.filter((_, index, all) => all[index - 1] !== 'Date')
    expect(withoutDate(foreign)).toEqual(withoutDate(unknown))
  })

  test('a limit that is reached says when to come back, with 429 or with what limitStatus says', async () => {
    const key = await put({ config: { perMinute: 1 } })
    expect((await ask(withKey(key))).status).toBe(204)
    const limited = await ask(withKey(key))
    expectDenied(limited, 429, 'RATE_LIMITED')
    expect(limited.headers).toMatchObject({ 'ratelimit-policy': '"minute";q=1;w=60' })
    expect(Number(limited.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    const asForbidden = await ask(withKey(key), { query: '?limitStatus=403' })
    expectDenied(asForbidden, 403, 'RATE_LIMITED')
    expect(asForbidden.headers['retry-after']).toBe(limited.headers['retry-after'])
    expectDenied(await ask(withKey(key), { query: '?limitStatus=429' }), 429, 'RATE_LIMITED')
  })

  test('limitStatus changes no other denial', async () => {
    const query = '?limitStatus=403'
    expectDenied(await ask(withKey(await put({ revokedAt: 1 })), { query }), 401, 'REVOKED')
  })

  test('nothing of what the owner wrote down about the key goes to the stranger', async () => {
    const key = await put({
      disabledAt: 1,
      name: 'sesame',
      ownerId: 'sesame',
      metadata: { a: 'sesame' },
      scopes: ['sesame:read'],
    })
    const reply = await ask(withKey(key))
    expectDenied(reply, 401, 'DISABLED')
    expect(JSON.stringify([reply.rawHeaders, reply.text])).not.toContain('sesame')
    expect(reply.rawHeaders.filter((name) => /^x-keyward-/i.test(name))).toEqual(['X-Keyward-Code'])
  })
})

describe('scopes', () => {
  test('all that the query names are needed', async () => {
    const key = await put({ scopes: ['orders:read', 'stock:*'] })
    expect((await ask(withKey(key), { query: '?scopes=orders:read,stock:count' })).status).toBe(204)
    expect((await ask(withKey(key), { query: '?scopes=orders%3Aread%2Cstock%3Acount' })).status).toBe(204)
    const denied = await ask(withKey(key), { query: '?scopes=orders:read,orders:write' })
    expectDenied(denied, 403, 'INSUFFICIENT_SCOPE')
    expect(JSON.parse(denied.text).missingScopes).toEqual(['orders:write'])
  })

  test.each([
    '?scope=orders:read',
    '?scopes=',
    '?scopes',
    '?scopes=orders:read,',
    '?scopes=orders:read, orders:write',
    '?scopes=orders',
    '?scopes=orders:read&scopes=orders:write',
    `?scopes=${Array.from({ length: 101 }, (_, index) => `a:b${index}`).join(',')}`,
    '?limitStatus=',
    '?limitStatus=200',
    '?limitStatus=403&limitStatus=429',
    '?scopes=a:b&toString=1',
    '?scopes=a:b&',
  ])('%.50s asks for nothing that can be misread', async (query) => {
    const reply = await ask(withKey(await put({ scopes: ['orders:*', 'a:*'] })), { query: query.replace(' ', '%20') })
    if (query.endsWith('a:b&')) expect(reply.status).toBe(204)
    else expectDenied(reply, 400, 'VALIDATION_FAILED')
  })

  test('an error names the parameter', async () => {
    const { text } = await ask([], { query: '?scopes=Orders:read&nope=1' })
    expect(JSON.parse(text).errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['#/nope', '#/scopes'])
  })
})

describe('the request that is protected', () => {
  const rules = { config: { methods: ['GET'], paths: ['/orders/**'] } }
  const GET: Headers = [['X-Forwarded-Method', 'GET']]
  const ORDERS: Headers = [['X-Forwarded-Uri', '/orders/7?page=2']]

  test.each<[string, Headers]>([
    ['X-Forwarded-*', [...GET, ...ORDERS]],
    [
      'X-Original-*',
      [
        ['X-Original-Method', 'GET'],
        ['X-Original-URI', '/orders/7'],
      ],
    ],
    ['both, agreeing', [...GET, ...ORDERS, ['X-Original-Method', 'GET'], ['X-Original-URI', '/orders/7?page=2']]],
    ['one and an empty other', [...GET, ...ORDERS, ['X-Original-Method', ''], ['X-Original-URI', '']]],
  ])('is named by %s', async (_, headers) => {
    expect((await ask([...withKey(await put(rules)), ...headers])).status).toBe(204)
  })

  test.each<[string, Headers]>([
    ['nothing', []],
    ['another method', [['X-Forwarded-Method', 'DELETE'], ...ORDERS]],
    ['another path', [...GET, ['X-Forwarded-Uri', '/admin']]],
    ['a path that leaves', [...GET, ['X-Forwarded-Uri', '/orders/%2e%2e/admin']]],
    [
      'a stranger’s X-Forwarded-Uri beside the proxy’s X-Original-URI',
      [...GET, ...ORDERS, ['X-Original-URI', '/admin']],
    ],
    [
      'a stranger’s X-Original-URI beside the proxy’s X-Forwarded-Uri',
      [['X-Original-URI', '/orders/1'], ...GET, ['X-Forwarded-Uri', '/admin']],
    ],
    ['a stranger’s header before the proxy’s of the same name', [...GET, ...ORDERS, ['X-Forwarded-Uri', '/admin']]],
    ['two methods', [...GET, ['X-Forwarded-Method', 'DELETE'], ...ORDERS]],
    ['something that is no path', [...GET, ['X-Forwarded-Uri', 'http://api/orders/1']]],
    ['something that is no method', [['X-Forwarded-Method', 'GET GET'], ...ORDERS]],
    ['a path of 9,000 characters', [...GET, ['X-Forwarded-Uri', `/orders/${'x'.repeat(9_000)}`]]],
  ])('is denied by rules about it when it is named by %s', async (_, headers) => {
    expectDenied(await ask([...withKey(await put(rules)), ...headers]), 403, 'ENDPOINT_DENIED')
  })

  test('may be named by anything when no rule is about it', async () => {
    const headers: Headers = [
      ['X-Forwarded-Uri', 'x'.repeat(9_000)],
      ['X-Forwarded-Method', '\u00e4'],
      ['Origin', 'x'.repeat(3_000)],
    ]
    expect((await ask([...withKey(await put()), ...headers])).status).toBe(204)
  })

  test('is asked about with its user agent and origin', async () => {
    const key = await put({ config: { userAgents: ['shop/*'], corsOrigins: ['https://shop.example.com'] } })
    const origin = ['Origin', 'https://shop.example.com'] as const
    expect((await ask([...withKey(key), ['User-Agent', 'shop/2'], origin])).status).toBe(204)
    expectDenied(await ask([...withKey(key), ['User-Agent', 'curl/8'], origin]), 403, 'USER_AGENT_DENIED')
    const twice: Headers = [['User-Agent', 'shop/2'], ['User-Agent', 'curl/8'], origin]
    expectDenied(await ask([...withKey(key), ...twice]), 403, 'USER_AGENT_DENIED')
    const elsewhere: Headers = [
      ['User-Agent', 'shop/2'],
      ['Origin', 'https://evil.example.com'],
    ]
    expectDenied(await ask([...withKey(key), ...elsewhere]), 403, 'ORIGIN_DENIED')
  })

  test('may have no origin, but not two, and none that is too long to be one', async () => {
    const key = await put({ config: { corsOrigins: ['https://shop.example.com'] } })
    const origin = (value: string) => ['Origin', value] as const
    expect((await ask(withKey(key))).status).toBe(204)
    expect((await ask([...withKey(key), origin('')])).status).toBe(204)
    for (const origins of [
      ['https://shop.example.com', 'https://evil.example.com'],
      [`https://${'x'.repeat(3_000)}`],
    ]) {
      expectDenied(await ask([...withKey(key), ...origins.map(origin)]), 403, 'ORIGIN_DENIED')
    }
  })
})

describe('the address of the client', () => {
  const fromShop = { config: { ipAllowlist: ['203.0.113.0/24'] } }
  const fromLoopback = { config: { ipAllowlist: ['127.0.0.0/8'] } }
  const forwardedFor = (value: string): Headers => [['X-Forwarded-For', value]]

  test('is what a trusted proxy says, whatever the stranger said before it', async () => {
    const key = await put(fromShop)
    for (const shop of ['203.0.113.7', '203.0.113.7:4711', '203.0.113.7:4711, 127.0.0.1']) {
      expect((await ask([...withKey(key), ...forwardedFor(shop)], {}, behindProxy)).status).toBe(204)
    }
    const spoofed = forwardedFor('203.0.113.7, 198.51.100.1')
    expectDenied(await ask([...withKey(key), ...spoofed], {}, behindProxy), 403, 'IP_DENIED')
    const spoofedLine: Headers = [...forwardedFor('203.0.113.7'), ...forwardedFor('198.51.100.1')]
    expectDenied(await ask([...withKey(key), ...spoofedLine], {}, behindProxy), 403, 'IP_DENIED')
  })

  test('is the peer’s when nothing was forwarded', async () => {
    expect((await ask(withKey(await put(fromLoopback)))).status).toBe(204)
  })

  test('is not known when somebody who is not trusted says it, and neither his nor the said one is taken', async () => {
    expectDenied(await ask([...withKey(await put(fromShop)), ...forwardedFor('203.0.113.7')]), 403, 'IP_DENIED')
    expectDenied(await ask([...withKey(await put(fromLoopback)), ...forwardedFor('203.0.113.7')]), 403, 'IP_DENIED')
  })

  test.each<Headers>([
    [],
    [['X-Forwarded-For', 'unknown']],
    [['X-Forwarded-For', '']],
    [['X-Forwarded-For', 'unknown, 127.0.0.1']],
  ])(
    'is not known when a trusted proxy does not say it: %j does not stand for the proxy itself',
    async (...headers) => {
      const key = await put(fromLoopback)
      expectDenied(await ask([...withKey(key), ...headers], {}, behindProxy), 403, 'IP_DENIED')
    },
  )
})

describe('the verifier', () => {
  const askAs = (...verifiers: string[]): Promise<ForwardReply> => {
    const headers = verifiers.map((token) => ['X-Keyward-Verifier', token] as const)
    return askForward({ port: fixture.port, headers })
  }

  test.each<[string, () => string[]]>([
    ['none', () => []],
    ['an empty one', () => ['']],
    ['an unknown one', () => [newToken('kw')]],
    ['two different ones', () => [fixture.platformVerifier, fixture.acmeVerifier]],
    ['one with a scheme', () => [`Bearer ${fixture.platformVerifier}`]],
  ])('%s is 401, and the challenge names another realm than that for keys', async (_, verifiers) => {
    const reply = await askAs(...verifiers())
    expectDenied(reply, 401, 'UNAUTHENTICATED')
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="keyward"')
  })

  test('is not read from Authorization', async () => {
    const headers: Headers = [['Authorization', `Bearer ${fixture.platformVerifier}`]]
    expectDenied(await askForward({ port: fixture.port, headers }), 401, 'UNAUTHENTICATED')
  })

  test('without the scope is 403', async () => {
    const token = await put()
    expectDenied(await askAs(token), 403, 'FORBIDDEN')
  })

  test('that is not in memory is read first', async () => {
    const token = newToken('kw')
    await fixture.put(token, keyRecord({ scopes: ['keyward:verify'] }))
    const headers: Headers = [
      ['X-Keyward-Verifier', token],
      ['X-API-Key', await put()],
    ]
    expect((await askForward({ port: fixture.port, headers })).status).toBe(204)
  })
})

test('when the database is down, a key that is not in memory is 503 with Retry-After, one that is is let in', async () => {
  const [warm, cold] = [await put(), await put()]
  await ask(withKey(warm))
  backing.source.isDown = true
  const reply = await ask(withKey(cold))
  expectDenied(reply, 503, 'UNAVAILABLE')
  expect(reply.headers['retry-after']).toBe('1')
  expect((await ask(withKey(warm))).status).toBe(204)
})

describe('bodies', () => {
  const head = (key: string, extra: readonly string[], method = 'POST'): string => {
    const lines = [`${method} /verify/forward HTTP/1.1`, 'Host: x', `X-API-Key: ${key}`]
    return `${[...lines, `X-Keyward-Verifier: ${fixture.platformVerifier}`, ...extra].join('\r\n')}\r\n\r\n`
  }

  test.each(['POST', 'GET', 'DELETE'])('one of 5 MB with %s is thrown away, and the answer arrives', async (method) => {
    const body = Buffer.alloc(5_000_000)
    const length = ['Content-Length', String(body.length)] as const
    const reply = await ask([...withKey(await put()), length], { method, body })
    expect(reply.status).toBe(204)
    const denied = await ask([...withKey(newToken()), length], { method, body })
    expectDenied(denied, 401, 'NOT_FOUND')
  })

  test('one that is announced and never sent is not waited for, and the connection is not used again', async () => {
    const key = await put()
    const answer = await sendRaw({ port: fixture.port, parts: [head(key, ['Content-Length: 1000'])] })
    expect(answer.status).toBe(204)
    expect(answer.head).toContain('Connection: close')
  })

  test('a request that follows an announced body is not taken for a request', async () => {
    const key = await put()
    const smuggled = head(key, ['X-Request-Id: smuggled'], 'GET')
    const answer = await sendRaw({
      port: fixture.port,
      parts: [head(key, [`Content-Length: ${smuggled.length}`]) + smuggled],
    })
    expect(answer.status).toBe(204)
    expect(answer.head + answer.body).not.toContain('smuggled')
  })

  test('a chunked one that never ends is not waited for', async () => {
    const parts = [head(await put(), ['Transfer-Encoding: chunked']), '5\r\nhello\r\n']
    expect((await sendRaw({ port: fixture.port, parts })).status).toBe(204)
  })

  test('without one the connection is kept', async () => {
    const key = await put()
    const parts = [head(key, [], 'GET'), head(key, ['Content-Length: 0']), head(key, ['Connection: close'], 'GET')]
    const answer = await sendRaw({ port: fixture.port, parts: [parts.join('')] })
    expect(`${answer.head}\r\n\r\n${answer.body}`.match(/HTTP\/1\.1 204/g)).toHaveLength(3)
  })
})
