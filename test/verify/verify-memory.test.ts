import { createMemoryKeySource } from './key-records.ts'
import { describeVerify } from './verify-contract.ts'
import type { Backing } from './verify-fixture.ts'

export function openMemoryBacking(): Backing & { readonly source: ReturnType<typeof createMemoryKeySource> } {
  const source = createMemoryKeySource()
  const counts = new Map<string, number>()
  return {
    source,
    sink: {
      async write({ keys }) {
        for (const { keyId, requestCount } of keys) counts.set(keyId, (counts.get(keyId) ?? 0) + requestCount)
      },
    },
    put: async (token, record) => source.put(token, record),
    readRequestCount: async (keyId) => counts.get(keyId) ?? 0,
    close: async () => undefined,
  }
}

describeVerify('keys in memory', async () => openMemoryBacking())
