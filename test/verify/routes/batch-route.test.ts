import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { keyRecord, newToken, TENANT_ACME } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { type Answer, startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'

let fixture: VerifyFixture
const backing = createMemoryBacking()

beforeAll(async () => {
  fixture = await startVerifyFixture(backing)
})
beforeEach(() => {
  backing.source.isDown = false
})
afterAll(() => fixture.stop())

interface BatchAnswer extends Answer {
  readonly results: readonly Record<string, unknown>[]
}

async function post(body: string, headers: Record<string, string> = {}): Promise<BatchAnswer> {
  const response = await fetch(`${fixture.baseUrl}/verify/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${fixture.platformVerifier}`, 'content-type': 'application/json', ...headers },
    body,
  })
  const text = await response.text()
  const parsed = JSON.parse(text)
  return { status: response.status, headers: response.headers, text, body: parsed, results: parsed.results ?? [] }
}

const postAll = (verifications: unknown): Promise<BatchAnswer> => post(JSON.stringify({ verifications }))

async function put(overrides: Parameters<typeof keyRecord>[0] = {}): Promise<string> {
  const token = newToken()
  await fixture.put(token, keyRecord(overrides))
  return token
}

const codesOf = ({ results }: BatchAnswer): unknown[] => results.map(({ code }) => code)

describe('results', () => {
  test('each is what POST /verify answers to that item alone', async () => {
    const [valid, disabled, narrow, limited] = await Promise.all([
      put({ ownerId: 'größer', scopes: ['orders:read'], metadata: { note: '😀' } }),
      put({ disabledAt: 1 }),
      put({ config: { ipAllowlist: ['10.0.0.0/8'] } }),
      put({ config: { perMinute: 100 } }),
    ])
    const items = [
      { key: valid, scopes: ['orders:read'] },
      { key: valid, scopes: ['orders:write'] },
      { key: disabled },
      { key: narrow, ip: '10.1.1.1' },
      { key: narrow, ip: '192.0.2.1' },
      { key: limited, cost: 0 },
      { key: newToken() },
      { key: 'no token' },
      { key: valid, scopes: 'orders:read' },
      { key: valid, scopeQuery: 'a:b AND' },
      { key: valid, ip: 'nowhere', enviroment: 'TEST' },
      {},
      null,
      7,
      [],
    ]
    const { status, headers, results, text } = await postAll(items)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)))
    expect(headers.get('cache-control')).toBe('no-store')
    const requestId = headers.get('x-request-id')
    for (const [index, item] of items.entries()) {
      const alone = await fixture.ask(item)
      const expected = { ...alone.body, requestId }
      expect(results[index]).toEqual(alone.status === 200 ? expected : { error: expected })
    }
    expect(results).toHaveLength(items.length)
  })

  test('no verifications give no results', async () => {
    expect((await postAll([])).text).toBe('{"results":[]}')
  })

  test('a thousand are answered, each in its place', async () => {
    const tokens = await Promise.all(Array.from({ length: 1000 }, (_, index) => put({ ownerId: `owner-${index}` })))
    const { results } = await postAll(tokens.map((key) => ({ key })))
    expect(results.map(({ ownerId }) => ownerId)).toEqual(tokens.map((_, index) => `owner-${index}`))
  })

  test('a verifier of one tenant sees the keys of another one as unknown', async () => {
    const token = await put()
    const answer = await post(JSON.stringify({ verifications: [{ key: token }, { key: newToken() }] }), {
      authorization: `Bearer ${fixture.globexVerifier}`,
    })
    expect(answer.results[0]).toEqual(answer.results[1])
    expect(codesOf(answer)).toEqual(['NOT_FOUND', 'NOT_FOUND'])
  })
})

describe('limits', () => {
  const VALID = Array.from({ length: 10 }, () => 'VALID')
  const LIMITED = Array.from({ length: 10 }, () => 'RATE_LIMITED')

  test('20 verifications of a key with a limit of 10 admit the first 10, in memory or not', async () => {
    const cold = await put({ config: { perMinute: 10 } })
    const items = Array.from({ length: 20 }, () => ({ key: cold }))
    expect(codesOf(await postAll(items))).toEqual([...VALID, ...LIMITED])
    const warm = await put({ config: { perMinute: 10 } })
    await fixture.ask({ key: warm, cost: 0 })
    expect(codesOf(await postAll(items.map(() => ({ key: warm }))))).toEqual([...VALID, ...LIMITED])
  })

  test('costs are consumed in order, and an item that does not fit leaves room for a later one that does', async () => {
    const key = await put({ config: { perMinute: 10 } })
    const answer = await postAll([6, 6, 3, 2, 1].map((cost) => ({ key, cost })))
    expect(codesOf(answer)).toEqual(['VALID', 'RATE_LIMITED', 'VALID', 'RATE_LIMITED', 'VALID'])
    expect(answer.results[1]).toMatchObject({ valid: false, retryAfterSeconds: expect.any(Number) })
  })

  test('a limit over all keys of a tenant is consumed in order by keys in memory', async () => {
    const tenantId = '01900000-0000-7000-8000-0000000000cc'
    const tenantConfig = { aggregate: { perMinute: 3 } }
    const keys = await Promise.all([put({ tenantId, tenantConfig }), put({ tenantId, tenantConfig })])
    for (const key of keys) await fixture.ask({ key, cost: 0 })
    const answer = await postAll([0, 1, 0, 1, 0].map((index) => ({ key: keys[index] })))
    expect(codesOf(answer)).toEqual(['VALID', 'VALID', 'VALID', 'RATE_LIMITED', 'RATE_LIMITED'])
  })

  test('10 batches at once on a limit of 100 admit exactly 100', async () => {
    const key = await put({ config: { perMinute: 100 } })
    const items = Array.from({ length: 50 }, () => ({ key }))
    const answers = await Promise.all(Array.from({ length: 10 }, () => postAll(items)))
    expect(answers.flatMap(codesOf).filter((code) => code === 'VALID')).toHaveLength(100)
  })
})

describe('reads', () => {
  test('keys in memory cost none, others one each, however often they are named', async () => {
    const keys = await Promise.all(Array.from({ length: 100 }, () => put()))
    const items = [...keys, ...keys].map((key) => ({ key }))
    const before = fixture.countReads()
    await postAll(items)
    expect(fixture.countReads() - before).toBe(100)
    expect(codesOf(await postAll(items))).toEqual(items.map(() => 'VALID'))
    expect(fixture.countReads() - before).toBe(100)
  })

  test('when the source is down, what is in memory is decided and the rest is UNAVAILABLE in its place', async () => {
    const [warm, cold] = [await put(), await put()]
    await fixture.ask({ key: warm })
    backing.source.isDown = true
    const { status, results, text } = await postAll([{ key: cold }, { key: warm }, { key: cold }])
    expect(status).toBe(200)
    const unavailable = { error: expect.objectContaining({ code: 'UNAVAILABLE', status: 503, retryAfterSeconds: 1 }) }
    expect(results).toEqual([unavailable, expect.objectContaining({ code: 'VALID' }), unavailable])
    expect(text).not.toContain('10.1.2.3')
  })
})

describe('refusals', () => {
  test.each([
    ['[]', '#'],
    ['7', '#'],
    ['{}', '#/verifications'],
    ['{"verifications": {}}', '#/verifications'],
    ['{"verifications": [], "tenant": "acme"}', '#/tenant'],
    ['{"verification": []}', '#/verification'],
    [JSON.stringify({ verifications: Array.from({ length: 1001 }, () => ({ key: 'x' })) }), '#/verifications'],
  ])('%.40s is 400', async (body, pointer) => {
    const answer = await post(body)
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ pointer }] })
  })

  test('a body that is not JSON is 400', async () => {
    expect((await post('{"verifications": [')).body).toMatchObject({ status: 400, code: 'MALFORMED_BODY' })
  })

  test('2 MiB are read, one byte more is 413', async () => {
    const empty = JSON.stringify({ verifications: [{ key: '' }] })
    const body = (length: number) => JSON.stringify({ verifications: [{ key: 'x'.repeat(length - empty.length) }] })
    expect((await post(body(2 * 1024 * 1024))).status).toBe(200)
    expect((await post(body(2 * 1024 * 1024 + 1))).status).toBe(413)
  })

  test('another media type is 415, another method 405', async () => {
    expect((await post('{"verifications": []}', { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await fetch(`${fixture.baseUrl}/verify/batch`)).status).toBe(405)
  })

  test('a stranger is refused before the body is looked at', async () => {
    const { status, body } = await post('not json', { authorization: 'Bearer stranger' })
    expect({ status, code: body.code }).toEqual({ status: 401, code: 'UNAUTHENTICATED' })
  })

  test('a verifier that is not in memory is read first', async () => {
    const verifier = newToken('kw')
    await fixture.put(verifier, keyRecord({ tenantId: TENANT_ACME, scopes: ['keyward:verify'] }))
    const key = await put()
    const answer = await post(JSON.stringify({ verifications: [{ key }] }), { authorization: `Bearer ${verifier}` })
    expect(codesOf(answer)).toEqual(['VALID'])
  })
})
