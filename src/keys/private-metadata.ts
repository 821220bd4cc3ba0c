import type { Envelope } from '../secrets/envelope.ts'
import type { JsonObject } from './key-rules.ts'

/** What private metadata is sealed for: that of one key can never be passed off as that of another. */
function purposeOf(apiKeyId: string): string {
  return `private metadata of ${apiKeyId}`
}

/** Null for an empty object: nothing is kept of what says nothing. */
export function sealPrivateMetadata(
  envelope: Envelope,
  apiKeyId: string,
  metadata: object | null | undefined,
): Uint8Array<ArrayBuffer> | null {
  if (metadata == null || Object.keys(metadata).length === 0) return null
  return envelope.seal(Buffer.from(JSON.stringify(metadata)), purposeOf(apiKeyId))
}

export function openPrivateMetadata(envelope: Envelope, apiKeyId: string, sealed: Uint8Array | null): JsonObject {
  if (sealed === null) return {}
  return JSON.parse(Buffer.from(envelope.open(sealed, purposeOf(apiKeyId))).toString())
}
