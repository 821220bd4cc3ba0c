import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashToken } from '../../../src/keys/token.ts'
import { createTokenHashes } from '../../../src/verify/authentication/token-hashes.ts'

test('the hash of a token is the same whether it is remembered, forgotten or new', () => {
  const token = fc.nat(12).map((number) => `kw_live_${number}`)
  fc.assert(
    fc.property(fc.array(token, { maxLength: 100 }), (tokens) => {
      const hash = createTokenHashes(4)
      expect(tokens.map(hash)).toEqual(tokens.map(hashToken))
    }),
  )
})
