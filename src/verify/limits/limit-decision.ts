import { isQuota } from './limit-plan.ts'
import type { LimitName, LimitRule, LimitScope } from './limiter.ts'

/** One limit as answers show it. */
export interface LimitStatus {
  readonly name: LimitName
  readonly scope: LimitScope
  readonly limit: number
  /** Units that fit after this request. */
  readonly remaining: number
  /**
   * Until at least one more unit fits than now; 0 when nothing is used, at least 1 in a denial. Days and months: until
   * their end.
   */
  readonly resetSeconds: number
  /** How long the limit looks back; for days and months the length of the present one. */
  readonly windowSeconds: number
}

export type LimitDenialCode = 'RATE_LIMITED' | 'QUOTA_EXCEEDED' | 'CREDITS_EXHAUSTED'

export interface LimitAdmission {
  readonly outcome: 'admitted'
  /** All limits in force. */
  readonly limits: readonly LimitStatus[]
  /** Null when the key spends no credits. */
  readonly creditsRemaining: number | null
}

/** A denial has consumed nothing, of any limit. */
export interface LimitDenial {
  readonly outcome: 'denied'
  readonly code: LimitDenialCode
  /** A sentence for the person who reads the verifier's log. */
  readonly detail: string
  /** The limits that the cost did not fit into; none for credits. */
  readonly limits: readonly LimitStatus[]
  /**
   * Until the cost fits into all of them if nothing else is used meanwhile, and never less than any `resetSeconds`
   * shown. For a cost that can never fit, the length of the window. For credits, until the refill that makes it fit,
   * null when none will.
   */
  readonly retryAfterSeconds: number | null
  /** The longest `resetSeconds` of the limits shown; for credits until a refill, null when none is due. */
  readonly resetSeconds: number | null
  /** The cost exceeds a limit itself. */
  readonly neverFits: boolean
  readonly creditsRemaining: number | null
}

/**
 * No decision: the caller has to do something first, or to answer that the service is unavailable. Nothing was
 * consumed.
 */
export type LimitObstacle =
  /** A day's or month's count is not in memory: read stored counts, `load` them and ask again. */
  | { readonly outcome: 'unloaded' }
  /** Too many limiters are active, or credits could not be leased. Stands for 503 with Retry-After. */
  | {
      readonly outcome: 'unavailable'
      readonly reason: 'TOO_MANY_LIMITERS' | 'NO_LEASE'
      readonly retryAfterSeconds: number
    }

export type LimitDecision = LimitAdmission | LimitDenial | LimitObstacle

export const UNLOADED: LimitObstacle = { outcome: 'unloaded' }
export const TOO_MANY_LIMITERS: LimitObstacle = {
  outcome: 'unavailable',
  reason: 'TOO_MANY_LIMITERS',
  retryAfterSeconds: 1,
}
export const NO_LEASE: LimitObstacle = { outcome: 'unavailable', reason: 'NO_LEASE', retryAfterSeconds: 1 }

/** A limit that the cost does not fit into. Times are milliseconds, Infinity for never. */
export interface LimitViolation {
  readonly rule: LimitRule
  readonly room: number
  readonly resetMs: number
  readonly waitMs: number
  readonly windowSeconds: number
}

/**
 * Rate limits come before quotas: when both are violated, the code is that of the rate limit, which passes sooner, but
 * `retryAfterSeconds` is until both fit, since a caller that comes back earlier is denied again.
 */
export function denyByLimits(
  violations: readonly LimitViolation[],
  cost: number,
  creditsRemaining: number | null,
): LimitDenial {
  const rates = violations.filter(({ rule }) => !isQuota(rule))
  const limits = violations.map(describeViolated)
  const resetSeconds = Math.max(...limits.map((limit) => limit.resetSeconds))
  const waits = violations.map(({ waitMs, windowSeconds }) =>
    waitMs === Number.POSITIVE_INFINITY ? windowSeconds : toSeconds(waitMs),
  )
  return {
    outcome: 'denied',
    code: rates.length > 0 ? 'RATE_LIMITED' : 'QUOTA_EXCEEDED',
    detail: explain(rates.length > 0 ? rates : violations, cost),
    limits,
    retryAfterSeconds: Math.max(resetSeconds, ...waits),
    resetSeconds,
    neverFits: violations.some(({ waitMs }) => waitMs === Number.POSITIVE_INFINITY),
    creditsRemaining,
  }
}

/** What a refill brings: milliseconds until the cost fits, and until one credit is there; null for not at all. */
export interface RefillPrompt {
  readonly waitMs: number | null
  readonly resetMs: number | null
}

export function denyByCredits(remaining: number, cost: number, refill: RefillPrompt): LimitDenial {
  const left = remaining === 1 ? '1 credit is' : `${remaining} credits are`
  return {
    outcome: 'denied',
    code: 'CREDITS_EXHAUSTED',
    detail: remaining > 0 ? `The cost is ${cost}, but ${left} left.` : 'No credits are left.',
    limits: [],
    retryAfterSeconds: refill.waitMs === null ? null : Math.max(1, toSeconds(refill.waitMs)),
    resetSeconds: refill.resetMs === null ? null : Math.max(1, toSeconds(refill.resetMs)),
    neverFits: false,
    creditsRemaining: remaining,
  }
}

export function toSeconds(ms: number): number {
  return Math.ceil(ms / 1000)
}

function describeViolated({ rule, room, resetMs, windowSeconds }: LimitViolation): LimitStatus {
  const { name, scope, limit } = rule
  const seconds = resetMs === Number.POSITIVE_INFINITY ? windowSeconds : toSeconds(resetMs)
  return { name, scope, limit, remaining: Math.max(0, room), resetSeconds: Math.max(1, seconds), windowSeconds }
}

/** Names, of the limits that the code stands for, the one that takes longest. */
function explain(violations: readonly LimitViolation[], cost: number): string {
  const { rule, room } = violations.reduce((a, b) => (b.waitMs > a.waitMs ? b : a))
  const whose = rule.scope === 'tenant' ? "The tenant's limit for all its keys" : 'The limit'
  const what =
    rule.name === 'second'
      ? `${rule.ratePerSecond} per second, ${rule.limit} at once,`
      : `${rule.limit} per ${rule.name}`
  if (rule.limit === 0) return `${whose} is 0 per ${rule.name}, which blocks every request.`
  if (cost > rule.limit) return `${whose} of ${what} can never fit a cost of ${cost}.`
  return room > 0 ? `${whose} of ${what} has ${room} left, the cost is ${cost}.` : `${whose} of ${what} is reached.`
}
