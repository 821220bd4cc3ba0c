import { createHmac, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSigningKey, isSignatureOf, NOBODYS_KEY } from '../../../src/verify/signature/message-authentication.ts'

const secret = randomBytes(32)
const key = createSigningKey(secret)

function sign(text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest()
}

describe('a signature', () => {
  it('is right for its text alone, in UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (text, other) => {
        expect(isSignatureOf(text, sign(text), key)).toBe(true)
        expect(isSignatureOf(other, sign(text), key)).toBe(text === other)
      }),
    )
  })

  it('is wrong with any bit of it changed', () => {
    for (let bit = 0; bit < 256; bit++) {
      const signature = sign('text')
      signature.writeUInt8(signature.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(isSignatureOf('text', signature, key)).toBe(false)
    }
  })

  it('is wrong in any other length, also when it begins right', () => {
    const right = sign('text')
    for (let length = 0; length < 32; length++) {
      expect(isSignatureOf('text', right.subarray(0, length), key)).toBe(false)
    }
    for (const length of [1, 32, 1000]) {
      expect(isSignatureOf('text', Buffer.concat([right, Buffer.alloc(length)]), key)).toBe(false)
    }
    expect(isSignatureOf('text', Buffer.alloc(32), key)).toBe(false)
  })

  it('is wrong under the key that stands in for none', () => {
    expect(isSignatureOf('text', sign('text'), NOBODYS_KEY)).toBe(false)
  })

  it('is not made with a secret that could be guessed', () => {
    expect(() => createSigningKey(randomBytes(15))).toThrow(RangeError)
    expect(() => createSigningKey(new Uint8Array())).toThrow(RangeError)
  })

  it('keeps its secret from whoever prints the key', () => {
    const shown = inspect(key, { depth: 9, showHidden: true }) + JSON.stringify({ key })
    expect(shown).not.toContain(secret.toString('hex'))
    expect(shown).not.toContain(secret.toString('base64'))
  })
})
