import type { LimitAdmission, LimitDecision, LimitDenial } from '../../../src/verify/limits/limit-decision.ts'
import { type LimitConfig, type LimitPlan, prepareLimits } from '../../../src/verify/limits/limit-plan.ts'
import {
  createLimits,
  type LimitSubject,
  type LimitsOptions,
  type StoredQuotas,
} from '../../../src/verify/limits/limits.ts'
import { MemoryCreditStore } from './memory-credit-store.ts'

export const START_MS = Date.parse('2026-11-21T12:00:00Z')
export const KEY: LimitSubject = { keyId: 'key', tenantId: 'tenant' }
export const NOTHING_STORED: StoredQuotas = {
  flushSequence: 0,
  key: { day: [], month: [] },
  tenant: { day: [], month: [] },
}

/** Ten units of each kind. */
export const TEN = {
  second: { perSecond: { ratePerSecond: 0.01, burst: 10 } },
  minute: { perMinute: 10 },
  hour: { perHour: 10 },
  day: { perDay: 10 },
  month: { perMonth: 10 },
}

/** Limits with a clock that the test moves. No key counts as held in memory unless the test says so. */
export function openLimits(options: Partial<LimitsOptions> = {}) {
  const clock = { nowMs: START_MS }
  const creditStore = options.creditStore ?? new MemoryCreditStore()
  const limits = createLimits({
    nowMs: () => clock.nowMs,
    isKeyHeld: () => false,
    isTenantHeld: () => false,
    ...options,
    creditStore,
  })

  function ask(plan: LimitPlan, cost = 1, subject = KEY): LimitDecision | Promise<LimitDecision> {
    return limits.admit(plan, subject, cost, clock.nowMs)
  }

  return {
    clock,
    limits,
    load: (plan: LimitPlan, stored = NOTHING_STORED, subject = KEY) => limits.load(plan, subject, stored, clock.nowMs),
    ask,
    /** For requests that need no lease. */
    decide(plan: LimitPlan, cost = 1, subject = KEY): LimitDecision {
      const decision = ask(plan, cost, subject)
      if (decision instanceof Promise) throw new Error('The decision waits for a lease.')
      return decision
    },
  }
}

export function makePlan(config: Partial<LimitConfig>): LimitPlan {
  const plan = prepareLimits({ key: {}, tenant: {}, zone: 'UTC', hasCredits: false, ...config })
  if (plan === null) throw new Error('The configuration limits nothing.')
  return plan
}

export function asAdmitted(decision: LimitDecision): LimitAdmission {
  if (decision.outcome !== 'admitted') throw new Error(`Not admitted: ${JSON.stringify(decision)}`)
  return decision
}

export function asDenied(decision: LimitDecision): LimitDenial {
  if (decision.outcome !== 'denied') throw new Error(`Not denied: ${JSON.stringify(decision)}`)
  return decision
}

export function remaining(decision: LimitDecision): number[] {
  return asAdmitted(decision).limits.map((limit) => limit.remaining)
}
