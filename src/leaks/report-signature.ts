import { type KeyObject, verify } from 'node:crypto'
import type { ReportKeys } from './report-keys.ts'

/** Who says to have signed a report, and the proof. */
export interface SignatureClaim {
  readonly key: KeyObject
  /** DER of an ECDSA signature (RFC 3279 §2.2.3). */
  readonly signature: Uint8Array
}

/** DER of a signature by P-256 has at most 72 bytes. */
const SIGNATURE_PATTERN = /^[A-Za-z0-9+/]{8,96}={0,2}$/

/** What the headers of a report claim; null when they name no key that counts, or hold nothing that could be a signature. */
export function readSignatureClaim(
  keys: ReportKeys,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): SignatureClaim | null {
  const identifier = headers[IDENTIFIER_HEADER]
  const signature = headers[SIGNATURE_HEADER]
  if (typeof identifier !== 'string' || typeof signature !== 'string') return null
  const key = keys.get(identifier)
  if (key === undefined || !SIGNATURE_PATTERN.test(signature)) return null
  return { key, signature: Buffer.from(signature, 'base64') }
}

/** Names of headers as Node has them. GitHub has written them `GITHUB-PUBLIC-KEY-…` too; case does not count. */
const IDENTIFIER_HEADER = 'github-public-key-identifier'
const SIGNATURE_HEADER = 'github-public-key-signature'

/**
 * Whether the body is what was signed, byte by byte as it came. Nothing in it says when or for whom: a report that somebody
 * recorded can be sent again, which is why a report that comes again must do nothing.
 */
export function isSigned(body: Uint8Array, { key, signature }: SignatureClaim): boolean {
  return verify('sha256', body, key, signature)
}
