import { createHash, createHmac, createPublicKey, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createSigningKey, isSignatureOf } from '../../../src/verify/signature/message-authentication.ts'
import rfc from '../../vectors/rfc9421.json' with { type: 'json' }
import vectors from '../../vectors/signatures.json' with { type: 'json' }
import { baseOf, messageOf } from './signed-messages.ts'

const hmacVector = vectors.rfc9421_B_2_5
const request = messageOf(rfc.request)

function textOf(signatureInput: string, message = request): string {
  const base = baseOf(message, signatureInput)
  if (!base.ok) throw new Error(base.detail)
  return base.text
}

function refusalOf(signatureInput: string, message = request): string | null {
  const base = baseOf(message, signatureInput)
  return base.ok ? null : base.detail
}

describe('the vectors of RFC 9421', () => {
  it('B.2.5: the signature base and its HMAC are the published ones', () => {
    const text = textOf('("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"')
    expect(text).toBe(
      [
        '"date": Tue, 20 Apr 2021 02:07:55 GMT',
        '"@authority": example.com',
        '"content-type": application/json',
        '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
      ].join('\n'),
    )
    const secret = Buffer.from(hmacVector.keyBase64, 'base64')
    const published = Buffer.from(hmacVector.signatureBase64, 'base64')
    expect(createHmac('sha256', secret).update(text).digest()).toEqual(published)
    expect(isSignatureOf(text, published, createSigningKey(secret))).toBe(true)
  })

  it.each(rfc.signatures)('$section: the published $algorithm signature is that of the signature base', (vector) => {
    const isPss = vector.algorithm === 'rsa-pss-sha512'
    const spki = Buffer.from(isPss ? rfc.rsaPssPublicKey : rfc.ed25519PublicKey, 'base64')
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    const options = isPss ? { key, padding: 6, saltLength: 64 } : key
    const text = Buffer.from(textOf(vector.input))
    expect(verify(isPss ? 'sha512' : null, text, options, Buffer.from(vector.signature, 'base64'))).toBe(true)
  })

  it('the digest of the example is that of its body', () => {
    const digest = createHash('sha512').update(rfc.body).digest('base64')
    expect(textOf('("content-digest")')).toContain(`"content-digest": sha-512=:${digest}:\n`)
  })
})

describe('derived components', () => {
  it.each([
    ['"@method"', 'POST'],
    ['"@target-uri"', 'https://example.com/foo?param=Value&Pet=dog'],
    ['"@authority"', 'example.com'],
    ['"@scheme"', 'https'],
    ['"@request-target"', '/foo?param=Value&Pet=dog'],
    ['"@path"', '/foo'],
    ['"@query"', '?param=Value&Pet=dog'],
    ['"@query-param";name="Pet"', 'dog'],
  ])('%s is %s', (identifier, value) => {
    expect(textOf(`(${identifier})`)).toBe(`${identifier}: ${value}\n"@signature-params": (${identifier})`)
  })

  it('a query that is not there is signed as `?`, a path that is not there as `/`', () => {
    const bare = messageOf({ method: 'GET', url: 'https://example.com', headers: {} })
    expect(textOf('("@path" "@query" "@request-target")', bare)).toMatch(
      /^"@path": \/\n"@query": \?\n"@request-target": \/\n/,
    )
  })

  const query = '?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something'
  const parameters = messageOf({
    method: 'GET',
    url: `https://example.com/parameters${query}&qux=&a=1&a=2&b=%FF`,
    headers: {},
  })

  it.each([
    ['var', 'this%20is%20a%20big%0Amultiline%20value'],
    ['bar', 'with%20plus%20whitespace'],
    ['fa%C3%A7ade%22%3A%20', 'something'],
    ['qux', ''],
  ])('the query parameter %s is signed as %j', (name, value) => {
    expect(textOf(`("@query-param";name="${name}")`, parameters)).toMatch(`"@query-param";name="${name}": ${value}\n`)
  })

  it.each(['a', 'b', 'nothing', 'façade'.normalize()].map((name) => encodeURIComponent(name)))(
    'the query parameter %s is refused: it is there more than once, not in UTF-8, or not at all',
    (name) => {
      expect(refusalOf(`("@query-param";name="${name}")`, parameters)).toMatch(/in the query/)
    },
  )

  it.each([
    '"@status"',
    '"@signature-params"',
    '"@unknown"',
    '"@"',
    '"@Method"',
    '"@method";req',
    '"@path";sf',
    '"@query-param"',
    '"@query-param";name=Pet',
    '"@query-param";name="Pet";req',
  ])('%s is refused', (identifier) => {
    expect(refusalOf(`("@method" ${identifier})`)).toMatch(/covered component/)
  })
})

describe('fields', () => {
  const message = messageOf({
    method: 'GET',
    url: 'https://example.com/',
    headers: {
      'X-Ows-Header': '\t  Leading and trailing whitespace.  ',
      'Cache-Control': ['max-age=60', '   must-revalidate'],
      'Example-Dict': ' a=1,    b=2;x=1;y=2,   c=(a   b    c), d',
      'Example-Header': ['value, with, lots', 'of, commas'],
      'X-Empty': '',
      'X-Tab': 'a\tb',
      'X-Latin': 'caf\u00e9',
      'X-Twice': 'a=1, a=2',
      Priority: 'u=1,i',
    },
  })

  it.each([
    ['"x-ows-header"', 'Leading and trailing whitespace.'],
    ['"cache-control"', 'max-age=60, must-revalidate'],
    ['"example-dict"', 'a=1,    b=2;x=1;y=2,   c=(a   b    c), d'],
    ['"example-dict";key="a"', '1'],
    ['"example-dict";key="d"', '?1'],
    ['"example-dict";key="b"', '2;x=1;y=2'],
    ['"example-dict";key="c"', '(a b c)'],
    ['"example-header";bs', ':dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:'],
    ['"x-empty"', ''],
    ['"x-tab"', 'a\tb'],
    ['"priority";sf', 'u=1, i'],
    ['"priority";sf=?1', 'u=1, i'],
  ])('%s is %j', (identifier, value) => {
    expect(textOf(`(${identifier})`, message).split('\n')[0]).toBe(`${identifier.replace('=?1', '')}: ${value}`)
  })

  it.each([
    ['"x-missing"', 'not in the request'],
    ['"X-Empty"', 'lower case'],
    ['"x empty"', 'lower case'],
    ['""', 'lower case'],
    ['"x-latin"', 'not printable ASCII'],
    ['"x-latin";bs', 'not ASCII'],
    ['"x-empty";tr', 'not known'],
    ['"x-empty";req', 'not known'],
    ['"x-empty";unknown', 'not known'],
    ['"x-empty";sf', 'not a field whose structure is known'],
    ['"x-tab";key="a"', 'not in the request'],
    ['"x-twice";key="a"', 'not in the request'],
    ['"example-dict";key="e"', 'not in the request'],
    ['"example-dict";key=a', 'not known'],
    ['"priority";sf=?0', 'not known'],
    ['"priority";sf;bs', 'exclude each other'],
    ['"priority";key="u";sf', 'exclude each other'],
  ])('%s is refused: %s', (identifier, fault) => {
    expect(refusalOf(`(${identifier})`, message)).toContain(fault)
  })

  it('one field may be covered in several ways, and none of them twice', () => {
    expect(
      refusalOf('("priority" "priority";bs "priority";sf "priority";key="u" "priority";key="i")', message),
    ).toBeNull()
    expect(refusalOf('("priority" "priority")', message)).toContain('twice')
    expect(refusalOf('("priority";bs "priority";bs)', message)).toContain('twice')
    const query = messageOf({ method: 'GET', url: 'https://example.com/?a=1', headers: {} })
    expect(refusalOf('("@query-param";name="a" "@query-param";name="a")', query)).toContain('twice')
  })

  it('names are strings', () => {
    expect(refusalOf('(priority)', message)).toContain('not a string')
    expect(refusalOf('(:YQ==:)', message)).toContain('not a string')
  })

  it('a signature that covers more components than a request has is refused', () => {
    const many = Array.from({ length: 65 }, (_, index) => `"priority";key="k${index}"`)
    expect(refusalOf(`(${many.join(' ')})`, message)).toContain('at most 64')
  })
})
