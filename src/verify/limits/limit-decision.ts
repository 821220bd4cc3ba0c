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
  /** The limits that the cost did not fit into; for credits all in force, which had room for it. */
  readonly limits: readonly LimitStatus[]
  /**
   * No sooner does the same request succeed. For limits: until the cost fits into all of them if nothing else is used
   * meanwhile, and never less than any `resetSeconds` shown; for a cost that can never fit, the length of the window.
   * For credits, until the refill that makes it fit, null when none is due. When both deny, the later of the two;
   * `detail` says when the credits have no refill to wait for.
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

/** A limit as it was found. Times are milliseconds, Infinity for never. */
export interface RuleState {
  readonly rule: LimitRule
  /** Units that fit now. */
  readonly room: number
  readonly resetMs: number
  /** Until the cost fits. */
  readonly waitMs: number
  readonly windowSeconds: number
}

/** A key's credits, as far as this node knows them. */
export interface CreditState {
  /** Null when they were not heard of. */
  readonly remaining: number | null
  readonly isShort: boolean
  /** What a refill brings: milliseconds until the cost fits, and until one credit is there; null for not at all. */
  readonly waitMs: number | null
  readonly resetMs: number | null
}

/**
 * Rate limits come before quotas, and both before credits: the code is that of the first, but `retryAfterSeconds` is
 * until all of them fit, since a caller that comes back earlier is denied again.
 */
export function denyByLimits(
  violated: readonly RuleState[],
  cost: number,
  /** Null for a key without credits. */
  credits: CreditState | null,
): LimitDenial {
  const rates = violated.filter(({ rule }) => !isQuota(rule))
  const limits = violated.map(describeInDenial)
  const resetSeconds = Math.max(...limits.map((limit) => limit.resetSeconds))
  const waits = violated.map(({ waitMs, windowSeconds }) =>
    waitMs === Number.POSITIVE_INFINITY ? windowSeconds : toSeconds(waitMs),
  )
  const shortage = credits?.isShort === true ? credits : null
  const explanation = explain(rates.length > 0 ? rates : violated, cost)
  return {
    outcome: 'denied',
    code: rates.length > 0 ? 'RATE_LIMITED' : 'QUOTA_EXCEEDED',
    detail: shortage === null ? explanation : `${explanation} ${explainShortage(shortage, cost)}`,
    limits,
    retryAfterSeconds: Math.max(resetSeconds, ...waits, toSeconds(shortage?.waitMs ?? 0)),
    resetSeconds,
    neverFits: violated.some(({ waitMs }) => waitMs === Number.POSITIVE_INFINITY),
    creditsRemaining: credits?.remaining ?? null,
  }
}

/** `limits` are those in force. */
export function denyByCredits(limits: readonly RuleState[], cost: number, credits: CreditState): LimitDenial {
  const { remaining, waitMs, resetMs } = credits
  return {
    outcome: 'denied',
    code: 'CREDITS_EXHAUSTED',
    detail: countCredits(remaining ?? 0, cost),
    limits: limits.map(describeInDenial),
    retryAfterSeconds: waitMs === null ? null : Math.max(1, toSeconds(waitMs)),
    resetSeconds: resetMs === null ? null : Math.max(1, toSeconds(resetMs)),
    neverFits: false,
    creditsRemaining: remaining ?? 0,
  }
}

export function toSeconds(ms: number): number {
  return Math.ceil(ms / 1000)
}

function describeInDenial({ rule, room, resetMs, windowSeconds }: RuleState): LimitStatus {
  const { name, scope, limit } = rule
  const seconds = resetMs === Number.POSITIVE_INFINITY ? windowSeconds : toSeconds(resetMs)
  return { name, scope, limit, remaining: Math.max(0, room), resetSeconds: Math.max(1, seconds), windowSeconds }
}

/** Names, of the limits that the code stands for, the one that takes longest. */
function explain(violated: readonly RuleState[], cost: number): string {
  const { rule, room } = violated.reduce((a, b) => (b.waitMs > a.waitMs ? b : a))
  const whose = rule.scope === 'tenant' ? "The tenant's limit for all its keys" : 'The limit'
  const what =
    rule.name === 'second'
      ? `${rule.ratePerSecond} per second, ${rule.limit} at once,`
      : `${rule.limit} per ${rule.name}`
  if (rule.limit === 0) return `${whose} is 0 per ${rule.name}, which blocks every request.`
  if (cost > rule.limit) return `${whose} of ${what} can never fit a cost of ${cost}.`
  return room > 0 ? `${whose} of ${what} has ${room} left, the cost is ${cost}.` : `${whose} of ${what} is reached.`
}

/** Without a refill no time can be named, so the sentence has to say that waiting for the limits is not enough. */
function explainShortage({ remaining, waitMs }: CreditState, cost: number): string {
  const counted = countCredits(remaining ?? 0, cost)
  return waitMs === null ? `${counted} No refill that is enough is due.` : counted
}

function countCredits(remaining: number, cost: number): string {
  const left = remaining === 1 ? '1 credit is' : `${remaining} credits are`
  return remaining > 0 ? `The cost is ${cost}, but ${left} left.` : 'No credits are left.'
}
