import { randomUUID } from 'node:crypto'
import { creditStoreContract } from './credit-store-contract.ts'
import { MemoryCreditStore } from './memory-credit-store.ts'

creditStoreContract('the store in memory', async () => {
  const store = new MemoryCreditStore()
  return {
    store,
    create: async (terms) => {
      const keyId = randomUUID()
      store.create(keyId, terms)
      return keyId
    },
    topUp: async (keyId, amount) => store.topUp(keyId, amount),
    set: async (keyId, amount) => store.set(keyId, amount),
    stored: async (keyId) => store.stored(keyId),
    close: async () => {},
  }
})
