import { computeRefill, type RefillInterval, type RefillPolicy } from '../verify/limits/credit-refill.ts'

/** Credits as their row holds them. */
export interface StoredCredits {
  readonly remaining: bigint
  readonly refillAmount: number | null
  readonly refillEvery: RefillInterval | null
  readonly refilledAt: Date
}

export interface CreditBalance {
  /** What can be spent, counting a refill that is due and that no verification has asked for yet. */
  readonly remaining: number
  /** Whether a refill raised it over what is stored, which makes outstanding leases void. */
  readonly raised: boolean
  readonly refilledAt: Date
  readonly refill: (RefillPolicy & { readonly nextAt: Date }) | null
}

/**
 * What a key can spend: what is stored and what servers hold leased, after the refill that is due, if one is. Refills
 * are made when somebody spends, so that a row can be older than its period.
 */
export function computeBalance(credits: StoredCredits, leased: number, timeZone: string, now: Date): CreditBalance {
  const stored = Number(credits.remaining) + leased
  const { refillAmount, refillEvery, refilledAt } = credits
  if (refillAmount === null || refillEvery === null)
    return { remaining: stored, raised: false, refilledAt, refill: null }
  const policy = { amount: refillAmount, every: refillEvery }
  const refilled = computeRefill({ stored, refilledAtMs: refilledAt.getTime() }, policy, now.getTime(), timeZone)
  return {
    remaining: refilled.stored,
    raised: refilled.raised,
    refilledAt: new Date(refilled.refilledAtMs),
    refill: { ...policy, nextAt: new Date(refilled.nextRefillAtMs) },
  }
}
