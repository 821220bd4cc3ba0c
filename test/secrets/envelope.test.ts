import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEnvelope } from '../../src/secrets/envelope.ts'

const masterKey = randomBytes(32)
const envelope = createEnvelope(masterKey)
const text = Buffer.from('a secret that must be read back')

test('what was sealed is opened again, whatever it is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.string(), (plaintext, purpose) => {
      const opened = envelope.open(envelope.seal(plaintext, purpose), purpose)
      expect(Buffer.from(opened).equals(plaintext)).toBe(true)
    }),
  )
})

test('the sealed form says nothing of the secret and is another one each time', () => {
  const [first, second] = [envelope.seal(text, 'p'), envelope.seal(text, 'p')]
  expect(Buffer.from(first).equals(second)).toBe(false)
  expect(Buffer.from(first).includes('secret')).toBe(false)
  // Only version and master key id are the same; not even the wrapped key or a nonce is.
  expect(Buffer.from(first.subarray(0, 9)).equals(second.subarray(0, 9))).toBe(true)
  expect(Buffer.from(first.subarray(9, 21)).equals(second.subarray(9, 21))).toBe(false)
})

test('a sealed secret in which any one bit was changed is refused', () => {
  const sealed = envelope.seal(text, 'p')
  for (let index = 0; index < sealed.length; index++) {
    for (const bit of [1, 128]) {
      const changed = Uint8Array.from(sealed)
      changed[index] = (changed[index] ?? 0) ^ bit
      expect(() => envelope.open(changed, 'p')).toThrow()
    }
  }
})

test('a sealed secret that was cut short or made longer is refused', () => {
  const sealed = envelope.seal(text, 'p')
  for (let length = 0; length < sealed.length; length++)
    expect(() => envelope.open(sealed.subarray(0, length), 'p')).toThrow()
  expect(() => envelope.open(Buffer.concat([sealed, Buffer.from([0])]), 'p')).toThrow()
})

test('what was sealed for one purpose cannot be passed off as another', () => {
  const sealed = envelope.seal(text, 'signing key 1')
  expect(() => envelope.open(sealed, 'signing key 2')).toThrow()
  expect(() => envelope.open(sealed, '')).toThrow()
})

test('the data key of one secret does not open another', () => {
  const [first, second] = [envelope.seal(text, 'p'), envelope.seal(text, 'p')]
  const headerBytes = 1 + 8 + 12 + 32 + 16
  const mixed = Buffer.concat([first.subarray(0, headerBytes), second.subarray(headerBytes)])
  expect(() => envelope.open(mixed, 'p')).toThrow()
})

describe('with another master key', () => {
  test('a secret is refused with a sentence that says what to do', () => {
    const sealed = envelope.seal(text, 'p')
    expect(() => createEnvelope(randomBytes(32)).open(sealed, 'p')).toThrow(
      'A secret was sealed with another master key; give the server the MASTER_KEY that it was set up with.',
    )
  })

  test('the same bytes make the same envelope, in another process too', () => {
    const sealed = envelope.seal(text, 'p')
    expect(Buffer.from(createEnvelope(Uint8Array.from(masterKey)).open(sealed, 'p')).equals(text)).toBe(true)
  })
})

test.each([0, 16, 31, 33, 64])('a master key of %i bytes is refused', (length) => {
  expect(() => createEnvelope(randomBytes(length))).toThrow(RangeError)
})

test('no error quotes the secret or the key', () => {
  const sealed = envelope.seal(text, 'p')
  const key = randomBytes(32)
  for (const open of [() => envelope.open(sealed, 'other'), () => createEnvelope(key).open(sealed, 'p')]) {
    try {
      open()
    } catch (error) {
      expect(String(error)).not.toContain('a secret')
      expect(String(error)).not.toContain(key.toString('hex'))
    }
  }
  expect.assertions(4)
})
