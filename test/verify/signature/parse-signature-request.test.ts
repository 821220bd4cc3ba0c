import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPublicId } from '../../../src/public-id.ts'
import { createVerifyRequestParser } from '../../../src/verify/routes/parse-verify-request.ts'
import { createSignatureRequestParser } from '../../../src/verify/signature/parse-signature-request.ts'
import vectors from '../../vectors/signatures.json' with { type: 'json' }

const KEY_UUID = '01900000-0000-7000-8000-0000000000aa'
const KEY_ID = formatPublicId('ApiKey', KEY_UUID)
const vector = vectors.request
const parse = createSignatureRequestParser(createVerifyRequestParser())

const canonical = {
  keyId: KEY_ID,
  timestamp: vector.timestamp,
  nonce: vector.nonce,
  method: vector.method,
  path: vector.path,
  bodySha256: createHash('sha256').update(vector.body).digest('hex'),
  signature: vector.signatureHex,
}

const http = {
  httpSignature: {
    method: 'GET',
    url: 'https://api.example.com/a?b=c',
    headers: {
      'Signature-Input': `sig1=("@method" "@target-uri");created=${vector.timestamp};keyid="${KEY_ID}"`,
      Signature: 'sig1=:YWFh:',
    },
  },
}

function requestOf(body: unknown) {
  const result = parse(body)
  if (!result.ok) throw new Error(JSON.stringify(result.issues))
  return result.request
}

/** The places that are at fault, as paths joined by dots. */
function faultsOf(body: unknown): string[] {
  const result = parse(body)
  return result.ok ? [] : result.issues.map(({ path }) => path.join('.'))
}

describe('a request in our own form', () => {
  it('is read into the text of the published vector', () => {
    expect(requestOf(canonical).claim).toEqual({
      kind: 'readable',
      keyId: KEY_UUID,
      signedText: vector.canonical,
      signature: Uint8Array.fromHex(vector.signatureHex),
      createdSeconds: vector.timestamp,
      expiresSeconds: null,
      nonce: vector.nonce,
    })
  })

  it('asks what POST /verify can ask, about the method and path that were signed', () => {
    const { rest } = requestOf({ ...canonical, scopes: ['a:b'], ip: '10.0.0.1', cost: 3, tags: { team: 'x' } })
    expect(rest).toMatchObject({ key: '', scopes: ['a:b'], ip: '10.0.0.1', cost: 3, method: 'POST', path: vector.path })
    expect(rest.tags).toEqual([{ name: 'team', value: 'x' }])
  })

  it.each(Object.keys(canonical))('needs %s', (name) => {
    expect(faultsOf({ ...canonical, [name]: undefined })).toEqual([name])
  })

  it('says all that is missing at once', () => {
    expect(faultsOf({})).toEqual(Object.keys(canonical))
  })

  it.each<[string, unknown]>([
    ['keyId', 7],
    ['keyId', 'k'.repeat(257)],
    ['timestamp', '1764547200'],
    ['timestamp', 1764547200.5],
    ['timestamp', -1],
    ['timestamp', 2 ** 53],
    ['timestamp', null],
    ['nonce', ''],
    ['nonce', 'n'.repeat(129)],
    ['nonce', 'a\nb'],
    ['nonce', 'é'],
    ['nonce', 5],
    ['method', 'PO ST'],
    ['method', 'POST\n'],
    ['path', 'v1/payments'],
    ['path', '/a\nb'],
    ['path', '/a\u2028'.replace('\u2028', '\u0085')],
    ['path', '/\ud800'],
    ['path', `/${'a'.repeat(8192)}`],
    ['bodySha256', ''],
    ['bodySha256', canonical.bodySha256.toUpperCase()],
    ['bodySha256', `${canonical.bodySha256}\n`],
    ['signature', 5],
    ['signature', 'a'.repeat(257)],
    ['key', 'acme_live_x'],
    ['enviroment', 'TEST'],
    ['environment', 'NOWHERE'],
    ['__proto__x', 1],
  ])('is refused for its %s %j', (name, value) => {
    expect(faultsOf({ ...canonical, [name]: value })).toEqual([name])
  })

  it('is refused for a field that is named like a part of every object', () => {
    const body: unknown = JSON.parse(`${JSON.stringify(canonical).slice(0, -1)},"__proto__":{"scopes":["a:b"]}}`)
    expect(faultsOf(body)).toEqual(['__proto__'])
    expect(faultsOf({ ...canonical, constructor: 1 })).toEqual(['constructor'])
  })

  it.each(['', 'zz', 'abc', 'A'.repeat(64), '0x00', `${vector.signatureHex}00`])(
    'is read with the signature %j: whether it is right is for the verdict',
    (signature) => {
      expect(requestOf({ ...canonical, signature }).claim).toMatchObject({ kind: 'readable', keyId: KEY_UUID })
    },
  )

  it('reads hex in either case', () => {
    const { claim } = requestOf({ ...canonical, signature: vector.signatureHex.toUpperCase() })
    expect(claim).toMatchObject({ signature: Uint8Array.fromHex(vector.signatureHex) })
  })

  it.each(['', 'nobody', KEY_UUID, KEY_ID.toUpperCase(), formatPublicId('Tenant', KEY_UUID)])(
    'is read with the key id %j, which is no key’s',
    (keyId) => {
      expect(requestOf({ ...canonical, keyId }).claim).toMatchObject({ kind: 'readable', keyId: null })
    },
  )
})

describe('a request in the form of RFC 9421', () => {
  it('is read, and asks about the method and path of the URL', () => {
    const { claim, rest } = requestOf({ ...http, scopes: ['a:b'] })
    expect(claim).toMatchObject({ kind: 'readable', keyId: KEY_UUID })
    expect(rest).toMatchObject({ key: '', scopes: ['a:b'], method: 'GET', path: '/a?b=c' })
  })

  it('may be about the key that is said beside it alone', () => {
    expect(requestOf({ ...http, keyId: KEY_ID }).claim).toMatchObject({ kind: 'readable', keyId: KEY_UUID })
    expect(requestOf({ ...http, keyId: 'other' }).claim).toMatchObject({ kind: 'faulty', keyId: null })
  })

  it.each(['timestamp', 'nonce', 'method', 'path', 'bodySha256', 'signature'] as const)(
    'has no %s beside it',
    (name) => {
      expect(faultsOf({ ...http, [name]: canonical[name] })).toEqual([name])
    },
  )

  const changed = (changes: Record<string, unknown>) => ({ httpSignature: { ...http.httpSignature, ...changes } })

  it.each<[string, unknown]>([
    ['httpSignature', { httpSignature: null }],
    ['httpSignature', { httpSignature: [] }],
    ['keyId', { ...http, keyId: 5 }],
    ['key', { ...http, key: 'acme_live_x' }],
    ['unknown', { ...http, unknown: 1 }],
    ['httpSignature.body', changed({ body: '' })],
    ['httpSignature.method', changed({ method: undefined })],
    ['httpSignature.method', changed({ method: 'A B' })],
    ['httpSignature.url', changed({ url: undefined })],
    ['httpSignature.url', changed({ url: '/a' })],
    ['httpSignature.url', changed({ url: `https://a/${'b'.repeat(8192)}` })],
    ['httpSignature.headers', changed({ headers: undefined })],
    ['httpSignature.headers', changed({ headers: [] })],
    [
      'httpSignature.headers',
      changed({ headers: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x${i}`, ''])) }),
    ],
    ['httpSignature.headers.x y', changed({ headers: { 'x y': '' } })],
    ['httpSignature.headers.', changed({ headers: { '': '' } })],
    ['httpSignature.headers.x', changed({ headers: { X: '', x: '' } })],
    ['httpSignature.headers.x', changed({ headers: { x: 5 } })],
    ['httpSignature.headers.x', changed({ headers: { x: [] } })],
    ['httpSignature.headers.x', changed({ headers: { x: ['a', 5] } })],
    ['httpSignature.headers.x', changed({ headers: { x: Array.from({ length: 33 }, () => '') } })],
    ['httpSignature.headers.x', changed({ headers: { x: 'a\r\n"@method": GET' } })],
    ['httpSignature.headers.x', changed({ headers: { x: 'a\u0000' } })],
    ['httpSignature.headers.x', changed({ headers: { x: 'a'.repeat(8193) } })],
    ['httpSignature.bodySha256', changed({ bodySha256: 'abc' })],
    ['httpSignature.bodySha256', changed({ bodySha256: null })],
  ])('is refused at %s', (place, body) => {
    expect(faultsOf(body)).toEqual([place])
  })

  it('is read with headers that sign nothing: what the client failed to sign is for the verdict', () => {
    expect(requestOf(changed({ headers: {} })).claim).toMatchObject({ kind: 'unnamed' })
  })
})

it('a body that is no object is refused', () => {
  for (const body of [null, [], 'x', 1, true]) expect(faultsOf(body)).toEqual([''])
})

it('a body of garbage is told its first faults alone', () => {
  const garbage = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x${i}`, i]))
  expect(faultsOf(garbage)).toHaveLength(20)
  const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x ${i}`, i]))
  expect(faultsOf({ httpSignature: { ...http.httpSignature, headers } })).toHaveLength(20)
})

it('any JSON is read or refused, and nothing is thrown', () => {
  const names = [...Object.keys(canonical), 'httpSignature', 'key', 'scopes']
  const bodies = fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.jsonValue(), fc.constant(http.httpSignature)))
  fc.assert(
    fc.property(bodies, (body) => {
      parse(body)
    }),
  )
})
