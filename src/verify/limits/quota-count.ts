import type { CalendarPeriod, CalendarUnit, ZoneCalendar } from '../../lib/calendar.ts'
import { type Limiter, type LimitRule, NOT_LOADED } from './limiter.ts'
import type { PeriodCount, QuotaLedger } from './quota-ledger.ts'
import { isReachedByRefusal } from './warning-threshold.ts'

/**
 * The limit per day or per month of one subject: counts of calendar periods, of which storage has the durable part
 * (quota-ledger.ts).
 *
 * Which count is used follows the wall clock. A period later than all known ones has begun just now and starts at 0,
 * unless it is one that was counted before and forgotten. One that is earlier and not in memory means that the clock
 * was set back over a boundary: its count is asked of storage (`NOT_LOADED`) instead of being guessed, so that a step
 * back neither opens the limit (0) nor shuts it (the count of the later period). The last two periods stay in memory, a
 * step back over one boundary costs nothing.
 *
 * Periods are compared by their id, which is a local date. A tenant that changes its time zone keeps the counts of its
 * dates.
 */
export class QuotaCount implements Limiter {
  readonly #unit: CalendarUnit
  readonly #ledger: QuotaLedger
  readonly #scope: LimitRule['scope']
  readonly #subjectId: string
  /** Newest first. */
  #counts: PeriodCount[] = []
  #current: PeriodCount | null = null
  #period: CalendarPeriod = NO_PERIOD
  /** Counts of periods up to this one may have been forgotten, so only later ones are known to start at 0. */
  #forgottenTo = ''

  constructor(ledger: QuotaLedger, scope: LimitRule['scope'], subjectId: string, unit: CalendarUnit) {
    this.#ledger = ledger
    this.#scope = scope
    this.#subjectId = subjectId
    this.#unit = unit
  }

  /**
   * Takes over what storage said about the period of `clockMs`. See `QuotaLedger.reconcile` for what 'stale' asks of
   * the caller.
   */
  load(stored: StoredCounts, flushSequence: number, calendar: ZoneCalendar, clockMs: number): 'loaded' | 'stale' {
    const period = calendar[this.#unit](clockMs)
    const known = this.#counts.find((count) => count.periodId === period.id)
    const used = usedIn(stored, period.id)
    if (known !== undefined) {
      this.#ledger.reconcile(known, used, flushSequence)
      return 'loaded'
    }
    if (!this.#ledger.knowsAllOf(flushSequence)) return 'stale'
    if (this.#counts.length === 0) this.#forgottenTo = this.#ledger.forgottenTo(this.#unit)
    this.#insert(this.#ledger.open(this.#scope, this.#subjectId, this.#unit, period.id, used))
    return 'loaded'
  }

  room(rule: LimitRule, _steadyMs: number, clockMs: number): number {
    const count = this.#moveTo(rule.calendar[this.#unit](clockMs))
    if (count === null) return NOT_LOADED
    count.limit = rule.limit
    count.warningPercent = rule.warningPercent
    return rule.limit - count.used
  }

  take(cost: number): void {
    if (this.#current === null) throw new Error('A quota was consumed that was never loaded.')
    this.#ledger.count(this.#current, cost)
  }

  /** A request was denied for want of room. Near the end that makes the limit reached: the count may never get there. */
  refuse(rule: LimitRule, units: number): void {
    const count = this.#current
    if (count !== null && isReachedByRefusal(rule.limit, count.used, units)) this.#ledger.refuse(count)
  }

  resetMs(rule: LimitRule, _steadyMs: number, clockMs: number): number {
    return rule.calendar[this.#unit](clockMs).endMs - clockMs
  }

  waitMs(rule: LimitRule, units: number, steadyMs: number, clockMs: number): number {
    if (units > rule.limit) return Number.POSITIVE_INFINITY
    return this.room(rule, steadyMs, clockMs) >= units ? 0 : this.resetMs(rule, steadyMs, clockMs)
  }

  windowSeconds(): number {
    return (this.#period.endMs - this.#period.startMs) / 1000
  }

  get countsInMemory(): number {
    return this.#counts.length
  }

  isIdle(): boolean {
    return this.#counts.every((count) => this.#ledger.isFlushed(count))
  }

  /** To be called before the last reference goes: what is read of storage from then on must contain these counts. */
  close(): void {
    for (const count of this.#counts) this.#ledger.close(count)
    this.#counts = []
    this.#current = null
    this.#period = NO_PERIOD
  }

  #moveTo(period: CalendarPeriod): PeriodCount | null {
    if (period === this.#period) return this.#current
    this.#period = period
    this.#current = this.#counts.find((count) => count.periodId === period.id) ?? null
    const newest = this.#counts[0]
    if (
      this.#current === null &&
      newest !== undefined &&
      period.id > newest.periodId &&
      period.id > this.#forgottenTo
    ) {
      this.#insert(this.#ledger.open(this.#scope, this.#subjectId, this.#unit, period.id, 0))
    }
    return this.#current
  }

  #insert(opened: PeriodCount): void {
    const counts = [...this.#counts, opened].sort((a, b) => (a.periodId < b.periodId ? 1 : -1))
    // A count that storage lacks is kept however old it is: a load of its period has to find it.
    const kept = counts.filter((count, i) => i < KEPT_COUNTS || count === opened || !this.#ledger.isFlushed(count))
    // A list that was filtered has room for many more, its copy has not: that is 0.1 KB for each quota.
    this.#counts = kept.slice()
    for (const count of counts) if (!this.#counts.includes(count)) this.#ledger.close(count)
    this.#current = opened.periodId === this.#period.id ? opened : null
    if (this.#current === null) this.#period = NO_PERIOD
  }
}

/**
 * What was used in a period. A clock that was set back over one boundary finds its period behind the newest one. Set
 * back further, it may find none of those that were read: it goes by the oldest of them then, since the period would
 * otherwise stay unknown for as long as the clock is wrong.
 */
function usedIn(stored: StoredCounts, periodId: string): number {
  const exact = stored.find((count) => count.periodId === periodId)
  if (exact !== undefined) return exact.used
  const oldest = stored.at(-1)
  const mayHaveMore = stored.length >= STORED_COUNTS_READ
  return mayHaveMore && oldest !== undefined && periodId < oldest.periodId ? oldest.used : 0
}

/** What storage holds for the newest periods in which anything was used, newest first; at most `STORED_COUNTS_READ`. */
export type StoredCounts = readonly StoredCount[]

/** As many as stay in memory. */
export const STORED_COUNTS_READ = 2

export interface StoredCount {
  /** The local date, `2026-11-21`, or month, `2026-11`. */
  readonly periodId: string
  readonly used: number
}

const KEPT_COUNTS = 2
const NO_PERIOD: CalendarPeriod = { id: '', startMs: 0, endMs: 0 }
