import { getZoneCalendar } from '../../lib/calendar.ts'

export type RefillInterval = 'DAY' | 'MONTH'

export interface RefillPolicy {
  /** What is there at least after a refill. */
  readonly amount: number
  readonly every: RefillInterval
}

export interface RefillState {
  /** Credits that are not leased. */
  readonly stored: number
  /** When credits were last refilled or created. */
  readonly refilledAtMs: number
}

export interface RefillOutcome extends RefillState {
  /** Whether credits were added. Leases from before are then void, see `CreditStore`. */
  readonly raised: boolean
  readonly nextRefillAtMs: number
}

/**
 * What a refill makes of credits, at the first use in a new day or month of the zone. It fills up to the amount: unused
 * credits do not pile up, and credits that were topped up beyond the amount are not taken away. Periods that passed
 * without use count as one. A clock that was set back finds the refill done.
 */
export function computeRefill(state: RefillState, policy: RefillPolicy, nowMs: number, zone: string): RefillOutcome {
  const calendar = getZoneCalendar(zone)
  const period = policy.every === 'DAY' ? calendar.day(nowMs) : calendar.month(nowMs)
  if (state.refilledAtMs >= period.startMs) return { ...state, raised: false, nextRefillAtMs: period.endMs }
  return {
    stored: Math.max(state.stored, policy.amount),
    refilledAtMs: nowMs,
    raised: state.stored < policy.amount,
    nextRefillAtMs: period.endMs,
  }
}
