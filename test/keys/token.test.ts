import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ENVIRONMENTS } from '../../src/keys/environment.ts'
import {
  computeChecksum,
  generateToken,
  hashToken,
  isTokenPrefix,
  parseToken,
  readTokenShape,
  tokenHashFromBytes,
  tokenHashToBytes,
  tokenStart,
} from '../../src/keys/token.ts'
import vectors from '../vectors/tokens.json' with { type: 'json' }

const prefixes = fc.stringMatching(/^[a-z][a-z0-9]{1,15}$/)

describe('vectors', () => {
  test.each(vectors.valid)('$token is read, and its checksum and hash are the published ones', (vector) => {
    expect(parseToken(vector.token)).not.toBeNull()
    expect(computeChecksum(vector.token.slice(0, -6))).toBe(vector.checksum)
    expect(hashToken(vector.token)).toBe(vector.sha256)
    expect([...tokenHashToBytes(vector.sha256)]).toEqual([...Buffer.from(vector.sha256, 'hex')])
  })

  test.each(vectors.wrongChecksum)('%s is refused for its checksum alone', (token) => {
    expect(parseToken(token)).toBeNull()
    expect(readTokenShape(token)).toMatchObject({ prefix: 'acme', checksumMatches: false })
  })

  test('the arithmetic reproduces the checksum of a public token of GitHub', () => {
    expect(computeChecksum(vectors.publicCheck.body)).toBe(vectors.publicCheck.checksum)
  })
})

describe('generated tokens', () => {
  test('every generated token is read back with its parts', () => {
    fc.assert(
      fc.property(prefixes, fc.constantFrom(...ENVIRONMENTS), (prefix, environment) => {
        const token = generateToken({ prefix, environment, randomBytes })
        const start = token.slice(0, token.lastIndexOf('_') + 5)
        expect(parseToken(token)).toEqual({ prefix, environment, start })
        expect(tokenStart(token)).toBe(start)
      }),
    )
  })

  test('bytes that would favour some characters are skipped', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => 255 - index)
    let offset = 0
    const token = generateToken({
      prefix: 'acme',
      environment: 'TEST',
      randomBytes: (length) => {
        const drawn = bytes.slice(offset, offset + length)
        offset += length
        return drawn
      },
    })
    // 255…248 are skipped; 247 % 62 is 61, and so on down.
    expect(token.slice('acme_test_'.length, -6)).toBe('zyxwvutsrqponmlkjihgfedcbaZYXWVU')
  })

  test('each of the 62 characters is equally likely', () => {
    const counts = new Map<string, number>()
    for (let round = 0; round < 4000; round++) {
      const token = generateToken({ prefix: 'acme', environment: 'TEST', randomBytes })
      for (const character of token.slice('acme_test_'.length, -6)) {
        counts.set(character, (counts.get(character) ?? 0) + 1)
      }
    }
    const expected = (4000 * 32) / 62
    let chiSquare = 0
    for (const count of counts.values()) chiSquare += (count - expected) ** 2 / expected
    expect(counts.size).toBe(62)
    // 61 degrees of freedom: a fair generator exceeds 150 less than once in 10^8 runs; a modulo-biased one is above 2000.
    expect(chiSquare).toBeLessThan(150)
  })

  test('a generator that is broken yields an error and no token', () => {
    const stuck = (length: number) => new Uint8Array(length).fill(255)
    expect(() => generateToken({ prefix: 'acme', environment: 'TEST', randomBytes: stuck })).toThrow('random')
  })

  test('a prefix outside the grammar is refused', () => {
    for (const prefix of ['', 'a', 'Acme', '1acme', 'ac_me', 'a'.repeat(17)]) {
      expect(isTokenPrefix(prefix)).toBe(false)
      expect(() => generateToken({ prefix, environment: 'TEST', randomBytes })).toThrow(RangeError)
    }
  })
})

describe('strings that are no tokens', () => {
  test('changing any one character makes a token unreadable', () => {
    const token = 'acme_live_0123456789ABCDEFGHIJKLMNOPQRSTUV4IG2In'
    for (let index = 0; index < token.length; index++) {
      for (const replacement of ['0', 'Z', 'a', '_', ' ', 'é']) {
        if (token[index] === replacement) continue
        expect(parseToken(token.slice(0, index) + replacement + token.slice(index + 1))).toBeNull()
      }
    }
  })

  test('arbitrary text is never a token and never throws', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        expect(parseToken(text)).toBeNull()
        expect(tokenHashFromBytes(tokenHashToBytes(hashToken(text)))).toBe(hashToken(text))
      }),
    )
  })

  test('a trailing line break is part of the string', () => {
    expect(parseToken('acme_live_0123456789ABCDEFGHIJKLMNOPQRSTUV4IG2In\n')).toBeNull()
  })
})
