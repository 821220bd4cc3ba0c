/**
 * For how long a signature counts. From the second in which it says that it was made: `windowSeconds` long, and
 * already `skewSeconds` earlier, for signers whose clock is ahead. Both ends belong to it.
 *
 * Within that time the nonce is what stops a replay, so a nonce is remembered for as long, and longer by the skew:
 * servers may disagree on the time by as much. To raise the window lets requests count again whose nonces were
 * forgotten under the shorter one; to lower it is always safe.
 */
export interface SignatureWindow {
  readonly windowSeconds: number
  readonly skewSeconds: number
}

export const SIGNATURE_WINDOW_SECONDS_MIN = 5
export const SIGNATURE_WINDOW_SECONDS_MAX = 30 * 86_400
export const SIGNATURE_WINDOW_SECONDS_DEFAULT = 300

/** More than this is no disagreement of clocks but a broken one. */
export const SIGNATURE_SKEW_SECONDS_MAX = 3_600
export const SIGNATURE_SKEW_SECONDS_DEFAULT = 60

export interface SignatureTimes {
  /** When it was made, in seconds since the Unix epoch, as the signer says. */
  readonly createdSeconds: number
  /** First second in which it no longer counts by the signer's own word; null when the signer says nothing. */
  readonly expiresSeconds: number | null
}

/** Why a signature does not count at `now` (milliseconds), in a sentence; null when it does. */
export function findWindowFault(times: SignatureTimes, window: SignatureWindow, now: number): string | null {
  const { createdSeconds, expiresSeconds } = times
  const { windowSeconds, skewSeconds } = window
  const ageSeconds = Math.floor(now / 1000) - createdSeconds
  if (ageSeconds > windowSeconds) {
    return `The request was signed ${ageSeconds} s ago; a signature counts for ${windowSeconds} s.`
  }
  if (ageSeconds < -skewSeconds) {
    return `The request was signed ${-ageSeconds} s in the future; clocks may differ by ${skewSeconds} s.`
  }
  if (expiresSeconds !== null && now >= expiresSeconds * 1000) return 'The signature has expired by its own `expires`.'
  return null
}

/** When the nonce of a signature may be forgotten (milliseconds): from then on no server lets the signature count. */
export function computeNonceExpiry(createdSeconds: number, { windowSeconds, skewSeconds }: SignatureWindow): number {
  return (createdSeconds + windowSeconds + skewSeconds + 1) * 1000
}
