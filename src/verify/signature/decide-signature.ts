import { isSignatureOf, NOBODYS_KEY, type SigningKey } from './message-authentication.ts'
import type { SignatureClaim } from './signature-claim.ts'
import { computeNonceExpiry, findWindowFault, type SignatureWindow } from './signature-window.ts'

export type SignatureDecision =
  /** Correct and in time. The request counts if its nonce can be claimed, and only then. */
  | { readonly kind: 'accepted'; readonly nonce: string; readonly nonceExpiresAt: number }
  | { readonly kind: 'denied'; readonly code: 'SIGNATURE_INVALID' | 'SIGNATURE_EXPIRED'; readonly detail: string }

/**
 * Whether a signature is that of the key, and in time. Without a key (unknown, of a foreign tenant, or without a
 * signing secret) the same work is done and the answer is a denial, which the caller replaces by NOT_FOUND.
 *
 * The order matters. "Expired" is said of correct signatures alone: the time in a forged one is the forger's own. And a
 * nonce is claimed only for a correct signature in time: otherwise whoever sees a request on its way could use up its
 * nonce with a forged one, and the real one would be refused.
 *
 * @param now milliseconds
 */
export function decideSignature(
  claim: SignatureClaim,
  signingKey: SigningKey | null,
  window: SignatureWindow,
  now: number,
): SignatureDecision {
  if (claim.kind !== 'readable') return { kind: 'denied', code: 'SIGNATURE_INVALID', detail: claim.detail }
  const isCorrect = isSignatureOf(claim.signedText, claim.signature, signingKey ?? NOBODYS_KEY)
  if (!isCorrect || signingKey === null) return { kind: 'denied', code: 'SIGNATURE_INVALID', detail: MISMATCH }
  const fault = findWindowFault(claim, window, now)
  if (fault !== null) return { kind: 'denied', code: 'SIGNATURE_EXPIRED', detail: fault }
  return {
    kind: 'accepted',
    nonce: claim.nonce,
    nonceExpiresAt: computeNonceExpiry(claim.createdSeconds, window),
  }
}

const MISMATCH = 'The signature is not that of the request.'
