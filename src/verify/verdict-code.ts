/**
 * The codes of a verdict in order of precedence: when several rules deny, the first of them is the answer. `VALID` is
 * last, it is what remains when no rule denies.
 */
export const VERDICT_CODES = [
  'NOT_FOUND',
  'TENANT_SUSPENDED',
  'REVOKED',
  'DISABLED',
  'EXPIRED',
  'SIGNATURE_INVALID',
  'SIGNATURE_EXPIRED',
  'NONCE_REPLAYED',
  'ENVIRONMENT_MISMATCH',
  'IP_DENIED',
  'USER_AGENT_DENIED',
  'ORIGIN_DENIED',
  'ENDPOINT_DENIED',
  'OUTSIDE_TIME_WINDOW',
  'INSUFFICIENT_SCOPE',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
  'CREDITS_EXHAUSTED',
  'VALID',
] as const

export type VerdictCode = (typeof VERDICT_CODES)[number]

export type DenialCode = Exclude<VerdictCode, 'VALID'>

/** How often each code was answered. */
export type VerdictCounts = Record<VerdictCode, number>

/** What a denial says when the rule has nothing more exact to say. Written for the person who reads the verifier's log. */
export const DENIAL_DETAILS: Readonly<Record<DenialCode, string>> = {
  NOT_FOUND: 'No key has this token.',
  TENANT_SUSPENDED: 'The tenant of the key is suspended.',
  REVOKED: 'The key was revoked, which is final.',
  DISABLED: 'The key is disabled.',
  EXPIRED: 'The key has expired.',
  SIGNATURE_INVALID: 'The signature is not that of the request.',
  SIGNATURE_EXPIRED: 'The signature is too old, or from the future.',
  NONCE_REPLAYED: 'The nonce was accepted before.',
  ENVIRONMENT_MISMATCH: 'The key belongs to another environment.',
  IP_DENIED: 'The key may not be used from this address.',
  USER_AGENT_DENIED: 'The key may not be used by this user agent.',
  ORIGIN_DENIED: 'The key may not be used from this origin.',
  ENDPOINT_DENIED: 'The key may not be used for this method and path.',
  OUTSIDE_TIME_WINDOW: 'The key may not be used at this time.',
  INSUFFICIENT_SCOPE: 'The key lacks a scope that is needed.',
  RATE_LIMITED: 'A rate limit is reached.',
  QUOTA_EXCEEDED: 'A quota is used up.',
  CREDITS_EXHAUSTED: 'The key has too few credits left.',
}

export function createVerdictCounts(): VerdictCounts {
  return {
    NOT_FOUND: 0,
    TENANT_SUSPENDED: 0,
    REVOKED: 0,
    DISABLED: 0,
    EXPIRED: 0,
    SIGNATURE_INVALID: 0,
    SIGNATURE_EXPIRED: 0,
    NONCE_REPLAYED: 0,
    ENVIRONMENT_MISMATCH: 0,
    IP_DENIED: 0,
    USER_AGENT_DENIED: 0,
    ORIGIN_DENIED: 0,
    ENDPOINT_DENIED: 0,
    OUTSIDE_TIME_WINDOW: 0,
    INSUFFICIENT_SCOPE: 0,
    RATE_LIMITED: 0,
    QUOTA_EXCEEDED: 0,
    CREDITS_EXHAUSTED: 0,
    VALID: 0,
  }
}
