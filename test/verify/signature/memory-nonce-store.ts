import type { NonceStore } from '../../../src/verify/signature/nonce-port.ts'

/** Remembers nonces in this process, and never forgets that one was accepted before it has expired. */
export function createMemoryNonceStore(expiries = new Map<string, number>()): NonceStore {
  return {
    async claim({ keyId, nonce, expiresAt, now }) {
      const name = `${keyId} ${nonce}`
      if ((expiries.get(name) ?? Number.NEGATIVE_INFINITY) > now) return false
      expiries.set(name, expiresAt)
      return true
    },
  }
}
