import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPublicId } from '../../../src/public-id.ts'
import { decideSignature } from '../../../src/verify/signature/decide-signature.ts'
import { createSigningKey } from '../../../src/verify/signature/message-authentication.ts'
import { readHttpSignature } from '../../../src/verify/signature/read-http-signature.ts'
import type { SignatureClaim } from '../../../src/verify/signature/signature-claim.ts'
import { type HttpSignatureInput, messageOf, signByHand } from './signed-messages.ts'

const KEY_UUID = '01900000-0000-7000-8000-0000000000aa'
const KEY_ID = formatPublicId('ApiKey', KEY_UUID)
const OTHER_KEY_ID = formatPublicId('ApiKey', '01900000-0000-7000-8000-0000000000bb')
const SECRET = randomBytes(32)
const KEY = createSigningKey(SECRET)
const CREATED = 1_764_547_200
const NOW = CREATED * 1000 + 500
const WINDOW = { windowSeconds: 300, skewSeconds: 60 }

const BODY_SHA256 = createHash('sha256').update('{"amount":100}').digest()
const DIGEST = `sha-256=:${BODY_SHA256.toString('base64')}:`
const PARAMETERS = `;created=${CREATED};keyid="${KEY_ID}";nonce="n-1"`

/** What the examples cover, each with the value that it has in the request. */
const LINES = [
  ['"@method"', 'POST'],
  ['"@authority"', 'api.example.com'],
  ['"@path"', '/v1/payments'],
  ['"@query"', '?dry=1'],
  ['"content-digest"', DIGEST],
  ['"content-type"', 'application/json'],
] as const

type Lines = readonly (readonly [string, string])[]

function signed(lines: Lines = LINES, parameters = PARAMETERS, changes: Partial<HttpSignatureInput> = {}) {
  return {
    method: 'POST',
    url: 'https://api.example.com/v1/payments?dry=1',
    ...changes,
    headers: {
      'content-type': 'application/json',
      'content-digest': DIGEST,
      ...signByHand(lines, parameters, SECRET),
      ...changes.headers,
    },
  }
}

function read(input: HttpSignatureInput, keyId: string | null = null): SignatureClaim {
  return readHttpSignature(messageOf(input), keyId)
}

/** `accepted`, or the code and why. */
function decide(input: HttpSignatureInput, now = NOW): string {
  const decision = decideSignature(read(input), KEY, WINDOW, now)
  return decision.kind === 'accepted' ? 'accepted' : `${decision.code} ${decision.detail}`
}

describe('a request that was signed by RFC 9421', () => {
  it('is accepted, with the nonce that the signer chose', () => {
    const decision = decideSignature(read(signed()), KEY, WINDOW, NOW)
    expect(decision).toEqual({ kind: 'accepted', nonce: 'n-1', nonceExpiresAt: (CREATED + 361) * 1000 })
    expect(read(signed())).toMatchObject({ keyId: KEY_UUID, createdSeconds: CREATED, expiresSeconds: null })
  })

  it('has its signature for a nonce when the signer chose none', () => {
    const input = signed(LINES, `;created=${CREATED};keyid="${KEY_ID}"`)
    expect(read(input)).toMatchObject({ kind: 'readable', nonce: input.headers.signature.replace('sig1=', '') })
    expect(decide(input)).toBe('accepted')
  })

  it.each<[string, Partial<HttpSignatureInput>]>([
    ['method', { method: 'PUT' }],
    ['case of the method', { method: 'post' }],
    ['host', { url: 'https://api.example.org/v1/payments?dry=1' }],
    ['port', { url: 'https://api.example.com:8443/v1/payments?dry=1' }],
    ['path', { url: 'https://api.example.com/v1/refunds?dry=1' }],
    ['spelling of the path', { url: 'https://api.example.com/v1/%70ayments?dry=1' }],
    ['way to the path', { url: 'https://api.example.com/v1/x/../payments?dry=1' }],
    ['query', { url: 'https://api.example.com/v1/payments?dry=0' }],
    ['end of the query', { url: 'https://api.example.com/v1/payments?dry=1&dry=0' }],
    ['query that is gone', { url: 'https://api.example.com/v1/payments' }],
    ['digest', { headers: { 'content-digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` } }],
    ['digest with another beside it', { headers: { 'content-digest': [DIGEST, DIGEST.replace('sha-256', 'x')] } }],
    ['covered field', { headers: { 'content-type': 'text/plain' } }],
    ['covered field that comes twice', { headers: { 'content-type': ['application/json', 'text/plain'] } }],
  ])('is invalid when it was changed: %s', (_, changes) => {
    expect(decide(signed(LINES, PARAMETERS, changes))).toMatch(/^SIGNATURE_INVALID The signature is not that/)
  })

  it('does not mind the spelling of host and default port, nor what is not covered', () => {
    const url = 'https://API.example.com:443/v1/payments?dry=1'
    const headers = { 'User-Agent': 'curl/8', Cookie: 'a=b' }
    expect(decide(signed(LINES, PARAMETERS, { url, headers }))).toBe('accepted')
  })

  it.each([
    ['created', PARAMETERS.replace(`${CREATED}`, `${CREATED + 1}`)],
    ['nonce', PARAMETERS.replace('n-1', 'n-2')],
    ['expires', `${PARAMETERS};expires=${CREATED + 600}`],
    ['tag', `${PARAMETERS};tag="other"`],
    ['order of parameters', `;keyid="${KEY_ID}";created=${CREATED};nonce="n-1"`],
  ])('is invalid when its parameters were changed: %s', (_, parameters) => {
    const { headers, ...rest } = signed()
    const input = headers['signature-input'].replace(PARAMETERS, parameters)
    expect(decide({ ...rest, headers: { ...headers, 'signature-input': input } })).toMatch(/^SIGNATURE_INVALID/)
  })

  it('is invalid when the list of what it covers was changed', () => {
    const { headers, ...rest } = signed()
    const swapped = headers['signature-input'].replace('"@authority" "@path"', '"@path" "@authority"')
    const shorter = headers['signature-input'].replace(' "content-type"', '')
    for (const input of [swapped, shorter]) {
      expect(decide({ ...rest, headers: { ...headers, 'signature-input': input } })).toMatch(/^SIGNATURE_INVALID/)
    }
  })

  it('is invalid under another key', () => {
    const decision = decideSignature(read(signed()), createSigningKey(randomBytes(32)), WINDOW, NOW)
    expect(decision).toMatchObject({ kind: 'denied', code: 'SIGNATURE_INVALID' })
  })

  it.each([
    ['another algorithm', `${PARAMETERS};alg="rsa-pss-sha512"`],
    ['no algorithm', `${PARAMETERS};alg="none"`],
    ['an algorithm in another case', `${PARAMETERS};alg="HMAC-SHA256"`],
    ['an algorithm that is a token', `${PARAMETERS};alg=hmac-sha256`],
    ['an unknown parameter', `${PARAMETERS};crit="x"`],
    ['no `created`', `;keyid="${KEY_ID}"`],
    ['a `created` that is no integer', `;created="${CREATED}";keyid="${KEY_ID}"`],
    ['a `created` that is a date', `;created=@${CREATED};keyid="${KEY_ID}"`],
    ['an `expires` that is no integer', `${PARAMETERS};expires=1.5`],
    ['a nonce that is no string', `;created=${CREATED};keyid="${KEY_ID}";nonce=abc`],
    ['an empty nonce', `;created=${CREATED};keyid="${KEY_ID}";nonce=""`],
    ['a nonce that is too long', `;created=${CREATED};keyid="${KEY_ID}";nonce="${'n'.repeat(129)}"`],
  ])('is invalid with %s, however well it is signed', (_, parameters) => {
    expect(decide(signed(LINES, parameters))).toMatch(/^SIGNATURE_INVALID The (?:signature|parameter|`nonce`)/)
  })

  it('is accepted when it names the one algorithm there is', () => {
    expect(decide(signed(LINES, `${PARAMETERS};alg="hmac-sha256";tag="billing"`))).toBe('accepted')
  })

  it.each([
    [`;created=${CREATED - 300}`, 'accepted'],
    [`;created=${CREATED - 301}`, 'SIGNATURE_EXPIRED'],
    [`;created=${CREATED + 60}`, 'accepted'],
    [`;created=${CREATED + 61}`, 'SIGNATURE_EXPIRED'],
    [`;created=${CREATED};expires=${CREATED + 1}`, 'accepted'],
    [`;created=${CREATED};expires=${CREATED}`, 'SIGNATURE_EXPIRED'],
    [`;created=${CREATED};expires=-1`, 'SIGNATURE_EXPIRED'],
    [`;created=${CREATED - 301};expires=${CREATED + 1000}`, 'SIGNATURE_EXPIRED'],
    [`;created=-999999999999999`, 'SIGNATURE_EXPIRED'],
  ])('signed with %s is answered %s', (times, answer) => {
    expect(decide(signed(LINES, `${times};keyid="${KEY_ID}"`)).split(' ')[0]).toBe(answer)
  })

  it('is never called expired when it is not correct', () => {
    const old = signed(LINES, `;created=${CREATED - 9999};keyid="${KEY_ID}"`, { method: 'PUT' })
    expect(decide(old)).toMatch(/^SIGNATURE_INVALID/)
  })
})

describe('what a signature must cover', () => {
  const without = (...names: string[]): Lines => LINES.filter(([name]) => !names.some((gone) => name === `"${gone}"`))

  it('the method', () => {
    expect(decide(signed(without('@method')))).toContain('does not cover `@method`')
  })

  it('the target: path and query, or all in one', () => {
    expect(decide(signed(without('@path')))).toContain('covers neither')
    expect(decide(signed(without('@query')))).toContain('covers neither')
    const bare = without('@path', '@query')
    const single: Lines = [...without('@query'), ['"@query-param";name="dry"', '1']]
    expect(decide(signed(bare))).toContain('covers neither')
    expect(decide(signed(single))).toContain('covers neither')
    expect(decide(signed([...bare, ['"@target-uri"', 'https://api.example.com/v1/payments?dry=1']]))).toBe('accepted')
    expect(decide(signed([...bare, ['"@request-target"', '/v1/payments?dry=1']]))).toBe('accepted')
  })

  it('no query where there is none; but one that was added is not let in', () => {
    const lines = without('@query')
    const url = 'https://api.example.com/v1/payments'
    expect(decide(signed(lines, PARAMETERS, { url }))).toBe('accepted')
    expect(decide(signed(lines, PARAMETERS, { url: `${url}?` }))).toContain('covers neither')
    expect(decide(signed(lines, PARAMETERS, { url: `${url}?admin=1` }))).toContain('covers neither')
  })

  const get: Lines = [
    ['"@method"', 'GET'],
    ['"@target-uri"', 'https://api.example.com/'],
  ]
  function bodiless(headers: Record<string, string> = {}, more: Partial<HttpSignatureInput> = {}): HttpSignatureInput {
    return {
      method: 'GET',
      url: 'https://api.example.com/',
      headers: { ...signByHand(get, PARAMETERS, SECRET), ...headers },
      ...more,
    }
  }

  it('the digest of a body, when there is one or can be one', () => {
    expect(decide(bodiless())).toBe('accepted')
    expect(decide(bodiless({ 'content-length': '0' }))).toBe('accepted')
    expect(decide(bodiless({ 'content-length': '5' }))).toContain('can have a body')
    expect(decide(bodiless({ 'content-length': '00' }))).toContain('can have a body')
    expect(decide(bodiless({ 'transfer-encoding': 'chunked' }))).toContain('can have a body')
    expect(decide(bodiless({ 'content-digest': DIGEST }))).toContain('does not cover `content-digest`')
    expect(decide(bodiless({}, { bodySha256: BODY_SHA256.toString('hex') }))).toContain('can have a body')
    const empty = createHash('sha256').digest('hex')
    expect(decide(bodiless({ 'content-length': '5' }, { bodySha256: empty }))).toBe('accepted')
  })

  it('the digest, for methods that have bodies, unless the body is known to be empty', () => {
    const lines: Lines = without('content-digest', 'content-type')
    const post = (headers: Record<string, string>, more: Partial<HttpSignatureInput> = {}): HttpSignatureInput => ({
      method: 'POST',
      url: 'https://api.example.com/v1/payments?dry=1',
      headers: { ...signByHand(lines, PARAMETERS, SECRET), ...headers },
      ...more,
    })
    expect(decide(post({}))).toContain('can have a body')
    expect(decide(post({ 'content-length': '0' }))).toBe('accepted')
    expect(decide(post({}, { bodySha256: createHash('sha256').digest('hex') }))).toBe('accepted')
  })

  const digested = (digest: string): Lines =>
    LINES.map(([name, value]) => [name, name === '"content-digest"' ? digest : value])
  const carrying = (digest: string, more: Partial<HttpSignatureInput> = {}) =>
    signed(digested(digest), PARAMETERS, { ...more, headers: { 'content-digest': digest } })

  it.each([
    ['nothing', ''],
    ['no dictionary', 'sha-256'],
    ['no dictionary at all', 'sha-256=='],
    ['an algorithm that is broken', 'md5=:YWFhYWFhYWFhYWFhYWFhYQ==:'],
    ['too few bytes', 'sha-256=:YWFh:'],
    ['one digest that is good and one that cannot be', `${DIGEST}, sha-512=:YWFh:`],
    ['the same algorithm twice', `${DIGEST}, ${DIGEST}`],
  ])('a digest that can be checked: %s is none', (_, digest) => {
    expect(decide(carrying(digest))).toMatch(/^SIGNATURE_INVALID .*`content-digest`/)
  })

  it('the digest of the body that the verifier received, when it says so', () => {
    const bodySha256 = BODY_SHA256.toString('hex')
    const sha512 = `sha-512=:${createHash('sha512').update('{"amount":100}').digest('base64')}:`
    expect(decide(carrying(DIGEST, { bodySha256 }))).toBe('accepted')
    expect(decide(carrying(`${sha512}, ${DIGEST}`, { bodySha256 }))).toBe('accepted')
    expect(decide(carrying(sha512))).toBe('accepted')
    expect(decide(carrying(sha512, { bodySha256 }))).toContain('no sha-256')
    expect(decide(carrying(DIGEST, { bodySha256: '0'.repeat(64) }))).toContain('not the one that was signed')
  })

  it('the whole digest, not one member of it', () => {
    const lines: Lines = [
      ...without('content-digest'),
      ['"content-digest";key="sha-256"', DIGEST.slice('sha-256='.length)],
    ]
    expect(decide(signed(lines))).toContain('does not cover `content-digest`')
    const wrapped: Lines = [...without('content-digest'), ['"content-digest";sf', DIGEST]]
    expect(decide(signed(wrapped))).toBe('accepted')
  })
})

describe('which signature counts', () => {
  const ours = signed().headers
  const proxy = 'proxy=("@method" "x-nobody-knows");created=1;keyid="proxy";alg="rsa-v1_5-sha256";crit=?1'

  function withInputs(input: string, signature: string, keyId: string | null = null): SignatureClaim {
    return read(signed(LINES, PARAMETERS, { headers: { 'signature-input': input, signature } }), keyId)
  }

  it('the one that names a key, whatever others are on the message', () => {
    const claim = withInputs(`${proxy}, ${ours['signature-input']}`, `proxy=:YWFh:, ${ours.signature}`)
    expect(decideSignature(claim, KEY, WINDOW, NOW).kind).toBe('accepted')
  })

  it('the one that names the key asked for, when several name one', () => {
    const other = ours['signature-input'].replace('sig1', 'sig2').replace(KEY_ID, OTHER_KEY_ID)
    const inputs = `${other}, ${ours['signature-input']}`
    const signatures = `sig2=:YWFh:, ${ours.signature}`
    expect(withInputs(inputs, signatures)).toMatchObject({
      kind: 'unnamed',
      detail: expect.stringContaining('Several'),
    })
    expect(decideSignature(withInputs(inputs, signatures, KEY_ID), KEY, WINDOW, NOW).kind).toBe('accepted')
    expect(withInputs(inputs, signatures, OTHER_KEY_ID)).toMatchObject({ keyId: KEY_UUID.replace('aa', 'bb') })
  })

  it('none, when two name the same key: whoever adds one does not choose which', () => {
    const twice = `${ours['signature-input']}, ${ours['signature-input'].replace('sig1', 'sig2')}`
    expect(withInputs(twice, ours.signature).kind).toBe('unnamed')
    expect(withInputs(twice, ours.signature, KEY_ID)).toMatchObject({ kind: 'faulty', keyId: KEY_UUID })
  })

  it('none, when a label comes twice, in one line or in two', () => {
    const twice = `${ours['signature-input']}, ${ours['signature-input']}`
    expect(withInputs(twice, ours.signature).kind).toBe('unnamed')
    expect(withInputs(twice, ours.signature, KEY_ID)).toMatchObject({ kind: 'faulty', keyId: KEY_UUID })
    expect(withInputs(ours['signature-input'], `${ours.signature}, ${ours.signature}`).kind).toBe('faulty')
  })

  it('a `keyid` that is no id of a key is nobody’s, as if that key did not exist', () => {
    for (const keyid of [
      'test-shared-secret',
      '',
      KEY_ID.toUpperCase(),
      KEY_UUID,
      formatPublicId('Tenant', KEY_UUID),
    ]) {
      const input = signed(LINES, PARAMETERS.replace(KEY_ID, keyid))
      expect(read(input)).toMatchObject({ kind: 'faulty', keyId: null })
      expect(read(input, keyid)).toMatchObject({ keyId: null })
    }
  })

  it('the one of the key asked for alone', () => {
    expect(read(signed(), OTHER_KEY_ID)).toMatchObject({ kind: 'faulty', keyId: KEY_UUID.replace('aa', 'bb') })
  })

  it.each([
    ['no Signature-Input', '', ours.signature, 'unnamed'],
    ['a Signature-Input that cannot be read', 'sig1=(', ours.signature, 'unnamed'],
    ['a Signature-Input that is no list', 'sig1=1', ours.signature, 'unnamed'],
    ['no keyid', 'sig1=("@method");created=1', ours.signature, 'unnamed'],
    ['no Signature', ours['signature-input'], '', 'faulty'],
    ['a Signature that cannot be read', ours['signature-input'], 'sig1=:', 'faulty'],
    ['a Signature under another label', ours['signature-input'], 'sig2=:YWFh:', 'faulty'],
    ['a Signature that is no byte sequence', ours['signature-input'], 'sig1="YWFh"', 'faulty'],
    ['more signatures than a request gathers', Array.from({ length: 17 }, (_, n) => `s${n}=()`).join(), '', 'unnamed'],
  ])('none, with %s', (_, input, signature, kind) => {
    const claim = withInputs(input, signature)
    expect(claim.kind).toBe(kind)
    expect(decideSignature(claim, KEY, WINDOW, NOW)).toMatchObject({ code: 'SIGNATURE_INVALID' })
  })

  it('none, with anything else in the two fields: they are read or refused, and nothing is thrown', () => {
    const garbage = fc.string({ unit: fc.constantFrom(...'sig1=();:"@metho d,?%\\0'), maxLength: 60 })
    fc.assert(
      fc.property(garbage, garbage, (input, signature) => {
        expect(decideSignature(withInputs(input, signature), KEY, WINDOW, NOW).kind).toBe('denied')
      }),
    )
  })
})
