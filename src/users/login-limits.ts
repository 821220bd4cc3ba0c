/**
 * How guessing passwords is made hopeless without giving strangers a way to lock somebody out.
 *
 * - One account from one address: after a few failures the pair is locked until the first of them is forgotten. Who guesses
 *   has those few guesses in each window; the owner, at another address, notices nothing.
 * - One account from many addresses: each answer takes longer, up to a bound. Nobody is refused.
 * - Many accounts from one address: after many failures the address gets one attempt in a while. It may be that of a whole
 *   company, so it is slowed down and not locked.
 *
 * - Tokens that are nobody's (of a refresh, an invitation, a reset): none can be guessed, but each one that is tried leaves
 *   rows. After many an address may try one in a while. They are counted apart from passwords, and a token that there is
 *   is never held up: programs go on sending a token that was forgotten long ago, and that must not keep a whole company
 *   from logging in.
 *
 * What is refused here is not looked at, so it counts as no failure, and what is told to come again later can.
 */
export interface LoginLimits {
  /** For how long a failure counts. */
  readonly windowMs: number
  /** Failures of one account from one address that lock the pair. */
  readonly pairFailuresMax: number
  /** Failures from one address, of whatever accounts, that throttle it. */
  readonly sourceFailuresMax: number
  /** Longest time that an answer is held back. */
  readonly delayMaxMs: number
}

/** Between two attempts from an address that is throttled. */
export const THROTTLE_MS = 10_000

/** Failures of an account, from whatever addresses, after which answers are held back. */
export const UNDELAYED_FAILURES_MAX = 10

const DELAY_FIRST_MS = 100

/** Failures of an account beyond which the delay does not grow any more, whatever its bound. */
export const ACCOUNT_FAILURES_COUNTED_MAX = UNDELAYED_FAILURES_MAX + 16

/** The failures that count at the moment of an attempt. */
export interface LoginFailures {
  /** When the failure happened that locked the pair; null when it is not locked. */
  readonly pairFilledAt: Date | null
  /** Of the account; counted up to `ACCOUNT_FAILURES_COUNTED_MAX`. */
  readonly accountFailures: number
  /** Of the address; counted up to `sourceFailuresMax`. */
  readonly sourceFailures: number
  readonly sourceFailedAt: Date | null
}

export type LoginDecision =
  | { readonly kind: 'admit'; readonly delayMs: number }
  | { readonly kind: 'refuse'; readonly detail: string; readonly retryAfterSeconds: number }

export function decideLogin(failures: LoginFailures, limits: LoginLimits, now: Date): LoginDecision {
  const { pairFilledAt, accountFailures } = failures
  if (pairFilledAt !== null) {
    return refuse('Too many failed logins to this account from this address.', pairFilledAt, limits.windowMs, now)
  }
  if (isThrottled(failures, limits, now)) {
    return refuse('Too many failed logins from this address.', failures.sourceFailedAt, THROTTLE_MS, now)
  }
  return { kind: 'admit', delayMs: computeDelay(accountFailures, limits.delayMaxMs) }
}

/** The same for a token that is nobody's. It belongs to no account, so the address alone is looked at. */
export function decideUnknownToken(failures: LoginFailures, limits: LoginLimits, now: Date): LoginDecision {
  return isThrottled(failures, limits, now)
    ? refuse("Too many tokens that are nobody's from this address.", failures.sourceFailedAt, THROTTLE_MS, now)
    : { kind: 'admit', delayMs: 0 }
}

type Throttled = LoginFailures & { readonly sourceFailedAt: Date }

function isThrottled(failures: LoginFailures, limits: LoginLimits, now: Date): failures is Throttled {
  const { sourceFailures, sourceFailedAt } = failures
  if (sourceFailures < limits.sourceFailuresMax || sourceFailedAt === null) return false
  return now.getTime() - sourceFailedAt.getTime() < THROTTLE_MS
}

function refuse(detail: string, since: Date, forMs: number, now: Date): LoginDecision {
  const retryAfterSeconds = Math.max(1, Math.ceil((since.getTime() + forMs - now.getTime()) / 1000))
  return { kind: 'refuse', detail, retryAfterSeconds }
}

/** Milliseconds that the answer is held back: none at first, then twice as many with each failure, up to the bound. */
export function computeDelay(accountFailures: number, delayMaxMs: number): number {
  const beyond = accountFailures - UNDELAYED_FAILURES_MAX
  return beyond < 0 ? 0 : Math.min(delayMaxMs, DELAY_FIRST_MS * 2 ** beyond)
}
