import { z } from 'zod'

/**
 * Cached knowledge that a change made wrong. It is dropped after the commit: in this process before the caller hears of
 * success, on other servers when the notification that was part of the commit arrives.
 */
export type Invalidation =
  | { readonly kind: 'key'; readonly apiKeyId: string }
  | { readonly kind: 'tenant'; readonly tenantId: string }
  /** A new token, which may have been looked up in vain before. SHA-256 in hexadecimal. */
  | { readonly kind: 'token'; readonly hash: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  /** Tokens of another system begin so, or in ways that are not known. */
  | { readonly kind: 'importedPrefix'; readonly prefix: string }
  /** New tokens of which there are too many to name: every one that was looked up in vain. */
  | { readonly kind: 'unknown' }

const message = z.object({
  from: z.string(),
  changes: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('key'), apiKeyId: z.string() }),
      z.object({ kind: z.literal('tenant'), tenantId: z.string() }),
      z.object({ kind: z.literal('token'), hash: z.string() }),
      z.object({ kind: z.literal('prefix'), prefix: z.string() }),
      z.object({ kind: z.literal('importedPrefix'), prefix: z.string() }),
      z.object({ kind: z.literal('unknown') }),
    ]),
  ),
})

export const INVALIDATION_CHANNEL = 'keyward_invalidations'

/** PostgreSQL takes notifications of less than 8000 bytes; this many changes have less than 7000. */
const CHANGES_PER_MESSAGE = 50

/** The changes as notifications. `from` is the server that makes them and needs no telling. */
export function formatInvalidations(from: string, changes: readonly Invalidation[]): readonly string[] {
  const messages: string[] = []
  for (let first = 0; first < changes.length; first += CHANGES_PER_MESSAGE) {
    messages.push(JSON.stringify({ from, changes: changes.slice(first, first + CHANGES_PER_MESSAGE) }))
  }
  return messages
}

/**
 * The changes of another server; none when `self` sent them. Null for what cannot be read, such as the message of a newer
 * version: then nothing that is cached can be trusted.
 */
export function parseInvalidations(self: string, payload: string): readonly Invalidation[] | null {
  let json: unknown
  try {
    json = JSON.parse(payload)
  } catch {
    return null
  }
  const parsed = message.safeParse(json)
  if (!parsed.success) return null
  return parsed.data.from === self ? [] : parsed.data.changes
}
