import type { SignatureTimes } from './signature-window.ts'

/**
 * What a request says about its signature, read before anything is known about the key. Both forms of signed requests
 * come down to this, so that one decision serves both.
 */
export type SignatureClaim = ReadableClaim | FaultyClaim | UnnamedClaim

export interface ReadableClaim extends SignatureTimes {
  readonly kind: 'readable'
  readonly keyId: NamedKey
  /** The text under the HMAC, to be encoded as UTF-8. */
  readonly signedText: string
  readonly signature: Uint8Array
  /** What may be accepted only once for the key. 1 to 128 printable ASCII characters. */
  readonly nonce: string
}

/** A key is named, but there is nothing that could be checked with it. Found out without looking at any key. */
export interface FaultyClaim {
  readonly kind: 'faulty'
  readonly keyId: NamedKey
  readonly detail: string
}

/** No key is named at all, so that there is none to look for. */
export interface UnnamedClaim {
  readonly kind: 'unnamed'
  readonly detail: string
}

/** The UUID of the key that is said to have signed; null when what was given can be no key's id. */
export type NamedKey = string | null

/** Nonces are kept: longer ones would let callers fill the database faster. */
const NONCE_PATTERN = /^[\x20-\x7e]{1,128}$/

export const NONCE_RULE = 'It has 1 to 128 printable ASCII characters.'

export function isNonce(text: string): boolean {
  return NONCE_PATTERN.test(text)
}
