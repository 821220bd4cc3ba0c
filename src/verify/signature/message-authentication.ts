import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * HMAC-SHA256 (RFC 2104, FIPS 180-4) with a key's signing secret.
 *
 * A KeyObject holds the secret outside of the JavaScript heap, and shows nothing of it when it is logged or serialized.
 */
export type SigningKey = KeyObject

/** Lower, and a secret could be guessed; RFC 2104 §3 warns of keys that are shorter than the hash. */
const SECRET_BYTES_MIN = 16

/** Throws RangeError for a secret of less than 16 bytes. */
export function createSigningKey(secret: Uint8Array): SigningKey {
  if (secret.length < SECRET_BYTES_MIN) throw new RangeError(`A signing secret has at least ${SECRET_BYTES_MIN} bytes.`)
  return createSecretKey(secret)
}

/** Whether the signature is that of the text, in UTF-8. How long that takes does not tell how much of it is right. */
export function isSignatureOf(text: string, signature: Uint8Array, key: SigningKey): boolean {
  const expected = createHmac('sha256', key).update(text, 'utf8').digest()
  const hasRightLength = signature.length === expected.length
  // Another length is compared too, with something: so this never ends earlier for a reason that lies in the secret.
  return timingSafeEqual(expected, hasRightLength ? signature : Buffer.alloc(expected.length)) && hasRightLength
}

/**
 * Stands in where there is no key to check with, so that a signature for an unknown key costs what one for a known key
 * costs. Nobody knows it, and whoever uses it denies in any case.
 */
export const NOBODYS_KEY: SigningKey = createSecretKey(randomBytes(32))
