import type { TokenHash } from '../../keys/token.ts'

/** By what a key is found and kept in memory: the hash of a token that it was shown, or its id when it was named. */
export type KeyHandle = TokenHash | `id ${string}`

const ID_PREFIX = 'id '

/** The handle of a key that is named by its id, a UUID as PostgreSQL prints it. */
export function toKeyIdHandle(keyId: string): KeyHandle {
  return `${ID_PREFIX}${keyId}`
}

/** The id in a handle; null for the hash of a token. */
export function readKeyId(handle: KeyHandle): string | null {
  return handle.startsWith(ID_PREFIX) ? handle.slice(ID_PREFIX.length) : null
}
