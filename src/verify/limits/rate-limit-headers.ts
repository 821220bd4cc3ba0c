import type { LimitStatus } from './limit-decision.ts'
import { textEachLimit } from './limit-texts.ts'

/** Values of the `RateLimit-Policy` and `RateLimit` fields. */
export interface RateLimitFields {
  readonly policy: string
  readonly rateLimit: string
}

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-10, as RFC 9651 lists of strings with integer parameters:
 * `"minute";q=100;w=60` and `"minute";r=99;t=42`. A tenant's limits are named `"tenant-minute"`. Null for no limits, as
 * a list without members is not sent (RFC 9651 section 3.1).
 *
 * For a token bucket, `q` is the burst and `w` the seconds in which an empty bucket fills. In a denial by limits the
 * list has the violated ones alone, and `retryAfterSeconds` of the decision is no earlier than any `t` in it.
 */
export function formatRateLimit(limits: readonly LimitStatus[]): RateLimitFields | null {
  if (limits.length === 0) return null
  let policy = ''
  let rateLimit = ''
  for (const { scope, name, limit, windowSeconds, remaining, resetSeconds } of limits) {
    const texts = policy === '' ? FIRST : FURTHER
    policy += `${texts.policy[scope][name]}${limit};w=${windowSeconds}`
    rateLimit += `${texts.rateLimit[scope][name]}${remaining};t=${resetSeconds}`
  }
  return { policy, rateLimit }
}

const FIRST = writeOpenings('')
const FURTHER = writeOpenings(', ')

/** Of the members of both lists, up to their first number. */
function writeOpenings(separator: string) {
  const write = (parameter: string) =>
    textEachLimit((scope, name) => `${separator}"${scope === 'tenant' ? 'tenant-' : ''}${name}";${parameter}=`)
  return { policy: write('q'), rateLimit: write('r') }
}
