import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createVerifyRequestParser } from '../../../src/verify/routes/parse-verify-request.ts'

const parse = createVerifyRequestParser()

function pathsOf(body: unknown): string[] {
  const result = parse(body)
  return result.ok ? [] : result.issues.map(({ path }) => path.join('.'))
}

const FULL = {
  key: 'acme_live_x',
  scopes: ['orders:read', 'crm:*'],
  scopeQuery: 'orders:read AND (orders:write OR crm:*)',
  environment: 'PRODUCTION',
  ip: '2001:db8::1',
  userAgent: 'curl/8.0',
  origin: 'https://app.example.com',
  method: 'POST',
  path: '/v1/orders?limit=1',
  requireOperationScope: true,
  cost: 0,
  tags: { region: 'eu', plan: 'größer' },
}

describe('requests that are taken', () => {
  test('every field of the contract is taken over', () => {
    const result = parse(FULL)
    expect(result).toMatchObject({
      ok: true,
      request: {
        ...FULL,
        scopeQuery: { kind: 'and' },
        tags: [
          { name: 'region', value: 'eu' },
          { name: 'plan', value: 'größer' },
        ],
      },
    })
  })

  test('no tags are the same as tags of which there are none', () => {
    expect(parse({ key: 'x', tags: {} })).toEqual(parse({ key: 'x' }))
  })

  test('a key is all that is required, and the cost of a request is 1', () => {
    expect(parse({ key: 'x' })).toEqual({
      ok: true,
      request: {
        key: 'x',
        scopes: [],
        scopeQuery: undefined,
        environment: undefined,
        ip: undefined,
        userAgent: undefined,
        origin: undefined,
        method: undefined,
        path: undefined,
        requireOperationScope: false,
        cost: 1,
        tags: undefined,
      },
    })
  })

  test('any string may be asked about, for a string that is no key is simply not found', () => {
    for (const key of ['', 'x'.repeat(10_000), '\u0000', 'ключ']) expect(parse({ key }).ok).toBe(true)
  })
})

describe('requests that are refused', () => {
  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['a list', [], ''],
    ['null', null, ''],
    ['a string', 'key', ''],
    ['no key', {}, 'key'],
    ['a key of another type', { key: 1 }, 'key'],
    ['a null key', { key: null }, 'key'],
    ['an unknown field', { key: 'x', enviroment: 'TEST' }, 'enviroment'],
    ['the name of a built-in', { key: 'x', constructor: 1 }, 'constructor'],
    ['scopes as a string', { key: 'x', scopes: 'orders:read' }, 'scopes'],
    ['a scope of another type', { key: 'x', scopes: ['a:b', 1] }, 'scopes.1'],
    ['too long a scope', { key: 'x', scopes: ['x'.repeat(101)] }, 'scopes.0'],
    ['too many scopes', { key: 'x', scopes: Array(101).fill('a:b') }, 'scopes'],
    ['a scope query that is none', { key: 'x', scopeQuery: 'a:b AND' }, 'scopeQuery'],
    ['a scope query of another type', { key: 'x', scopeQuery: 1 }, 'scopeQuery'],
    ['an environment that is none', { key: 'x', environment: 'production' }, 'environment'],
    ['an environment named like a built-in', { key: 'x', environment: 'toString' }, 'environment'],
    ['an address that is none', { key: 'x', ip: '1.2.3' }, 'ip'],
    ['an address with a port', { key: 'x', ip: '1.2.3.4:80' }, 'ip'],
    ['an address with a long zone', { key: 'x', ip: `fe80::1%${'a'.repeat(100)}` }, 'ip'],
    ['a user agent of another type', { key: 'x', userAgent: [] }, 'userAgent'],
    ['too long an origin', { key: 'x', origin: 'x'.repeat(2_049) }, 'origin'],
    ['a method that is none', { key: 'x', method: 'GET POST' }, 'method'],
    ['a path that does not start with a slash', { key: 'x', path: 'orders' }, 'path'],
    ['a flag of another type', { key: 'x', requireOperationScope: 'true' }, 'requireOperationScope'],
    ['a negative cost', { key: 'x', cost: -1 }, 'cost'],
    ['a fractional cost', { key: 'x', cost: 0.5 }, 'cost'],
    ['a cost as a string', { key: 'x', cost: '1' }, 'cost'],
    ['a huge cost', { key: 'x', cost: 1e12 }, 'cost'],
    ['tags as a list', { key: 'x', tags: ['a'] }, 'tags'],
    ['a tag of another type', { key: 'x', tags: { a: 1 } }, 'tags.a'],
    ['too many tags', { key: 'x', tags: Object.fromEntries(Array.from({ length: 9 }, (_, n) => [n, ''])) }, 'tags'],
    ['an empty tag name', { key: 'x', tags: { '': 'a' } }, 'tags'],
    ['a control character in a tag', { key: 'x', tags: { a: 'b\u0000' } }, 'tags.a'],
    ['half a character in a tag', { key: 'x', tags: { a: 'b\ud83d' } }, 'tags.a'],
    ['half a character in the name of a tag', { key: 'x', tags: { 'a\ude00': 'b' } }, 'tags'],
  ]

  test.each(wrong)('%s', (_, body, path) => {
    expect(pathsOf(body)).toEqual([path])
  })

  test('every fault is named, not the first alone', () => {
    expect(pathsOf({ cost: -1, ip: '', nope: 1 })).toEqual(['key', 'cost', 'ip', 'nope'])
  })

  test('a key named __proto__ is an unknown field and reaches no prototype', () => {
    expect(pathsOf(JSON.parse('{"key": "x", "__proto__": {"scopes": []}}'))).toEqual(['__proto__'])
    expect(pathsOf(JSON.parse('{"key": "x", "tags": {"__proto__": "x"}}'))).toEqual([])
  })

  test('a body of thousands of faults is told the first ones', () => {
    expect(pathsOf(Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`field${n}`, 1]))).length).toBeLessThan(
      30,
    )
  })
})

test('arbitrary JSON is taken or refused with a reason, and never throws', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (body) => {
      const result = parse(body)
      if (!result.ok) expect(result.issues.length).toBeGreaterThan(0)
    }),
    { numRuns: 2_000 },
  )
})

test('arbitrary values in known fields never throw', () => {
  fc.assert(
    fc.property(fc.record({}), fc.constantFrom(...Object.keys(FULL)), fc.jsonValue(), (_, field, value) => {
      parse({ key: 'x', [field]: value })
    }),
    { numRuns: 2_000 },
  )
})
