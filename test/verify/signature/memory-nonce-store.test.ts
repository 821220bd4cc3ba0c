import { createMemoryNonceStore } from './memory-nonce-store.ts'
import { nonceStoreContract } from './nonce-store-contract.ts'

nonceStoreContract('memory', async () => {
  const expiries = new Map<string, number>()
  return {
    stores: [createMemoryNonceStore(expiries), createMemoryNonceStore(expiries)],
    close: async () => {},
  }
})
