import type { KeySnapshot } from './cache/snapshot.ts'
import type { LimitStatus } from './limits/limit-decision.ts'
import { DENIAL_DETAILS, type VerdictCode } from './verdict-code.ts'

/** The answer to one verification. */
export interface Verdict {
  readonly code: VerdictCode
  /** Null for VALID. */
  readonly detail: string | null
  /** Null exactly when the code is NOT_FOUND. */
  readonly snapshot: KeySnapshot | null
  /** True when the key's state could not be read again in time, so that the last known one was used. */
  readonly stale: boolean
  /** For INSUFFICIENT_SCOPE: what would have to be granted in addition. */
  readonly missingScopes: readonly string[] | null
  /** The limits in force; in a denial by limits, those that are violated; in one that comes before limits, none. */
  readonly limits: readonly LimitStatus[]
  /** Null when the key spends no credits, or when they were not asked. */
  readonly creditsRemaining: number | null
  /** For denials by limits, quotas and credits: no sooner can the same request succeed; null when that cannot be said. */
  readonly retryAfterSeconds: number | null
}

/** The same bytes for a key that does not exist and for one that the verifier may not see. */
export const NOT_FOUND: Verdict = {
  code: 'NOT_FOUND',
  detail: DENIAL_DETAILS.NOT_FOUND,
  snapshot: null,
  stale: false,
  missingScopes: null,
  limits: [],
  creditsRemaining: null,
  retryAfterSeconds: null,
}
