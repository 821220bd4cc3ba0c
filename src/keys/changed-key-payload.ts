import type { ApiKey as ApiKeyRow } from '../generated/prisma/client.ts'
import { builder } from '../graphql/builder.ts'
import { ApiKey } from './key-type.ts'

/** The payload of a mutation that changes a key and has nothing else to say. */
export function changedKeyPayload(name: string, description: string) {
  return builder.objectRef<ApiKeyRow>(name).implement({
    description,
    fields: (t) => ({
      apiKey: t.field({ type: ApiKey, description: 'The key as it is now.', resolve: (apiKey) => apiKey }),
    }),
  })
}
