import type { InputIssue } from '../errors/keyward-error.ts'
import type { RefillPolicy } from '../verify/limits/credit-refill.ts'

/** The largest amount of one change; top-ups can lead beyond it. */
export const CREDITS_AMOUNT_MAX = 2 ** 31 - 1
/** Credits are counted in doubles where they are spent, and beyond this doubles skip numbers. */
export const CREDITS_STORED_MAX = Number.MAX_SAFE_INTEGER

export interface CreditsInput {
  readonly amount: number
  readonly refill?: RefillPolicy | null | undefined
}

/** Every fault of credits that are to be set. */
export function validateCredits({ amount, refill }: CreditsInput, path: readonly string[]): readonly InputIssue[] {
  const issues: InputIssue[] = []
  if (!isAmount(amount, 0)) {
    issues.push({ path: [...path, 'amount'], detail: `must be a whole number from 0 to ${CREDITS_AMOUNT_MAX}` })
  }
  if (refill != null && !isAmount(refill.amount, 1)) {
    const detail = `must be a whole number from 1 to ${CREDITS_AMOUNT_MAX}`
    issues.push({ path: [...path, 'refill', 'amount'], detail })
  }
  return issues
}

/** The columns that say how much there is to warn of, once it is this much anew: nothing has been told of it yet. */
export function toWarningBase(remaining: number) {
  return { base: BigInt(remaining), lowToldUnits: null, exhaustedTold: false }
}

/** The columns that hold credits which were just set. */
export function toStoredCredits({ amount, refill }: CreditsInput, now: Date) {
  return {
    remaining: BigInt(amount),
    ...toWarningBase(amount),
    refillAmount: refill?.amount ?? null,
    refillEvery: refill?.every ?? null,
    refilledAt: now,
  }
}

/** Credits as events and the log tell of them. */
export function describeCredits({ amount, refill }: CreditsInput) {
  return { amount, refill: refill ? { amount: refill.amount, every: refill.every } : null }
}

/** Every fault of a top-up. */
export function validateTopUp(amount: number): readonly InputIssue[] {
  if (isAmount(amount, 1)) return []
  return [{ path: ['input', 'amount'], detail: `must be a whole number from 1 to ${CREDITS_AMOUNT_MAX}` }]
}

function isAmount(value: number, min: number): boolean {
  return Number.isInteger(value) && value >= min && value <= CREDITS_AMOUNT_MAX
}
