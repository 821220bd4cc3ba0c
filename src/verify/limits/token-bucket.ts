import type { Limiter, LimitRule } from './limiter.ts'

/**
 * A token bucket: `burst` tokens at most, `ratePerSecond` flow in. In any interval of d seconds it admits at most
 * burst + rate × d units, and at one instant exactly `burst`.
 *
 * What is kept is the deficit (burst − tokens), as the units spent since the bucket was last full and the instant of
 * that. So nothing is rounded from step to step: the level is always one multiplication away from integers. The deficit
 * does not contain the burst, therefore a burst that is raised or lowered keeps what was spent; a rate that is changed
 * counts from then on.
 */
export class TokenBucket implements Limiter {
  #spent = 0
  /** When the bucket was last known to be full. */
  #sinceMs = 0
  #ratePerSecond = 0

  room(rule: LimitRule, steadyMs: number): number {
    return Math.floor(rule.limit - this.#deficit(rule.ratePerSecond, steadyMs) + TOLERANCE)
  }

  take(cost: number): void {
    this.#spent += cost
  }

  resetMs(rule: LimitRule, steadyMs: number): number {
    if (this.#deficit(rule.ratePerSecond, steadyMs) <= TOLERANCE && rule.limit > 0) return 0
    return this.waitMs(rule, Math.max(0, this.room(rule, steadyMs)) + 1, steadyMs)
  }

  waitMs(rule: LimitRule, units: number, steadyMs: number): number {
    if (units > rule.limit) return Number.POSITIVE_INFINITY
    const missing = units - (rule.limit - this.#deficit(rule.ratePerSecond, steadyMs))
    return missing <= TOLERANCE ? 0 : ((missing - TOLERANCE / 2) / rule.ratePerSecond) * 1000
  }

  windowSeconds(rule: LimitRule): number {
    return rule.windowSeconds
  }

  isIdle(steadyMs: number): boolean {
    return this.#deficit(this.#ratePerSecond, steadyMs) <= 0
  }

  #deficit(ratePerSecond: number, steadyMs: number): number {
    const elapsedMs = Math.max(0, steadyMs - this.#sinceMs)
    const deficit = this.#spent - (elapsedMs * this.#ratePerSecond) / 1000
    if (deficit <= 0 || ratePerSecond !== this.#ratePerSecond) {
      this.#spent = Math.max(0, deficit)
      this.#sinceMs = Math.max(this.#sinceMs, steadyMs)
      this.#ratePerSecond = ratePerSecond
    }
    return Math.max(0, deficit)
  }
}

/**
 * Tokens. Absorbs the rounding of that one multiplication, so that a unit fits at the instant that was announced for
 * it.
 */
const TOLERANCE = 1e-9
