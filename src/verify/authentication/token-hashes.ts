import { hashToken, type TokenHash } from '../../keys/token.ts'
import { createLru, type LruEntry } from '../../lib/lru.ts'

/**
 * The hashes of tokens that come again with every request, which are those of verifiers. Hashing one costs as much as
 * all rules of a verification together.
 *
 * The tokens themselves are kept for that, a bounded number of them, in memory alone; keys that are asked about are not
 * among them. A hash says nothing about whether its token is live: that is looked up each time.
 */
export function createTokenHashes(entriesMax = 1_000): (token: string) => TokenHash {
  const hashes = createLru<string, LruEntry & { readonly hash: TokenHash }>({ entriesMax })
  // Mostly it is the same verifier again.
  let lastToken = ''
  let lastHash: TokenHash = hashToken('')
  return (token) => {
    if (token === lastToken) return lastHash
    lastToken = token
    lastHash = find(token)
    return lastHash
  }

  function find(token: string): TokenHash {
    const known = hashes.get(token)
    if (known !== undefined) return known.hash
    const hash = hashToken(token)
    hashes.set(token, { hash, usedLately: false })
    return hash
  }
}
