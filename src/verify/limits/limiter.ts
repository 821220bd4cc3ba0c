import type { ZoneCalendar } from '../../lib/calendar.ts'

export type LimitName = 'second' | 'minute' | 'hour' | 'day' | 'month'
export type LimitScope = 'key' | 'tenant'

/** One limit in force, as a plan holds it. */
export interface LimitRule {
  readonly name: LimitName
  readonly scope: LimitScope
  /** Units that fit when nothing is used; for `second` the burst. */
  readonly limit: number
  /** For `second` alone, otherwise 0. */
  readonly ratePerSecond: number
  /** How long the limit looks back: for `second` until an empty bucket is full; 0 for days and months, which differ. */
  readonly windowSeconds: number
  /** Percent of a day's or month's limit that is used when it is time to warn; 0: never. */
  readonly warningPercent: number
  /** What days and months are counted by. */
  readonly calendar: ZoneCalendar
}

/**
 * The state behind one limit of one subject. All methods are synchronous and take two times: `steadyMs`, which never
 * runs backwards (steady-time.ts), and `clockMs`, the wall clock, which calendars need.
 *
 * The rule is an argument and no part of the state: a limit that is changed takes effect at once, and the counts stay.
 * Asking moves windows on to the present and consumes nothing.
 */
export interface Limiter {
  /**
   * Units that fit now, negative when a lowered limit is overdrawn. `NOT_LOADED` when the count is not in memory and
   * must be read from storage first.
   */
  room(rule: LimitRule, steadyMs: number, clockMs: number): number
  /** Consumes `cost` units without asking. To be called with the times of the `room` before it. */
  take(cost: number): void
  /** Milliseconds until room for at least one more unit than now, 0 when nothing is used, Infinity for never. */
  resetMs(rule: LimitRule, steadyMs: number, clockMs: number): number
  /** Milliseconds until `units` fit if nothing else is used meanwhile, Infinity for never. */
  waitMs(rule: LimitRule, units: number, steadyMs: number, clockMs: number): number
  /** Length of the window that `clockMs` is in, in seconds. */
  windowSeconds(rule: LimitRule): number
  /**
   * Whether forgetting the state loses nothing: an empty window, a full bucket, a count that storage has completely.
   */
  isIdle(steadyMs: number): boolean
}

export const NOT_LOADED = Number.NEGATIVE_INFINITY
