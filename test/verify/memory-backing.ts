import { createMemoryKeySource, type MemoryKeySource } from './key-records.ts'
import type { Backing } from './verify-fixture.ts'

/** Keys in memory, counts nowhere. */
export function createMemoryBacking(): Backing & { readonly source: MemoryKeySource } {
  const source = createMemoryKeySource()
  return {
    source,
    sink: { write: async () => undefined },
    put: async (token, record) => source.put(token, record),
    readRequestCount: async () => 0,
    close: async () => undefined,
  }
}
