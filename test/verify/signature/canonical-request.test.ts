import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CanonicalRequest, formatCanonicalRequest } from '../../../src/verify/signature/canonical-request.ts'
import { createSigningKey, isSignatureOf } from '../../../src/verify/signature/message-authentication.ts'
import vectors from '../../vectors/signatures.json' with { type: 'json' }

const vector = vectors.request
const request: CanonicalRequest = {
  timestampSeconds: vector.timestamp,
  nonce: vector.nonce,
  method: vector.method,
  path: vector.path,
  bodySha256: createHash('sha256').update(vector.body).digest('hex'),
}

describe('the canonical form of a signed request', () => {
  it('is the published one, and so is its signature', () => {
    expect(formatCanonicalRequest(request)).toBe(vector.canonical)
    const key = createSigningKey(Uint8Array.fromHex(vector.secretHex))
    expect(isSignatureOf(vector.canonical, Uint8Array.fromHex(vector.signatureHex), key)).toBe(true)
  })

  it('has its method in upper case', () => {
    expect(formatCanonicalRequest({ ...request, method: 'post' })).toBe(vector.canonical)
  })

  it('is another one for another request', () => {
    const line = fc.string().filter((text) => !text.includes('\n'))
    const anyRequest = fc.record({
      timestampSeconds: fc.nat(),
      nonce: line,
      method: line.map((text) => text.toUpperCase()),
      path: line,
      bodySha256: line,
    })
    fc.assert(
      fc.property(anyRequest, anyRequest, (one, other) => {
        const isSame = JSON.stringify(one) === JSON.stringify(other)
        expect(formatCanonicalRequest(one) === formatCanonicalRequest(other)).toBe(isSame)
      }),
    )
  })

  it.each(['nonce', 'method', 'path', 'bodySha256'] as const)('is none when a line break is in its %s', (name) => {
    expect(() => formatCanonicalRequest({ ...request, [name]: `${request[name]}\n` })).toThrow(RangeError)
  })
})
