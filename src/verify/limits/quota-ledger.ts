import type { CalendarUnit } from '../../lib/calendar.ts'
import type { LimitScope } from './limiter.ts'

/** Units of one subject in one period of its calendar. */
export interface PeriodCount {
  readonly scope: LimitScope
  readonly subjectId: string
  readonly unit: CalendarUnit
  readonly periodId: string
  /** All that is known: what storage said, plus `inFlight`, plus `pending`. */
  used: number
  /** Counted here and in no flush yet. */
  pending: number
  /** In the flush that is under way. */
  inFlight: number
  /** The last flush that contained this count and is known to be committed. */
  flushedIn: number
  /** Whether the next flush has to contain it. */
  isDirty: boolean
  /** What was last in force for it, -1 and 0 before anything was. */
  limit: number
  warningPercent: number
  /** The last limit that was reached by a denial, -1 for none. */
  refusedLimit: number
}

/**
 * A row to be added to storage: `used = used + delta`, inserted when missing. The rest is for storage to see what the sum
 * of all nodes comes to: which part of the limit, and whether there is news in it.
 */
export interface QuotaDelta {
  readonly scope: LimitScope
  readonly subjectId: string
  readonly unit: CalendarUnit
  readonly periodId: string
  /** 0 where there was a denial and nothing else. */
  readonly delta: number
  /** What was last in force on this node. */
  readonly limit: number
  /** 0: no warning. */
  readonly warningPercent: number
  /** Whether this very limit was reached by a denial, whatever the sum is. */
  readonly isRefused: boolean
}

export interface QuotaFlush {
  /** 1, 2, 3… since this process started. */
  readonly sequence: number
  readonly rows: readonly QuotaDelta[]
}

/**
 * Keeps day and month counts equal to what storage would say if every count were written at once, although they are
 * written in flushes, and though caches forget what they have and read it again.
 *
 * What storage has to do (one node is one process since its start, under a fresh id):
 *
 * - A flush is one transaction: raise the node's `sequence` row to the flush's, adding the deltas if that row was lower
 *   and nothing if it was not. Then a flush whose outcome is unknown can be written again; it counts once.
 * - A read of stored counts returns the node's `sequence` (0 without a row) from the same statement, so that both are
 *   of one snapshot. It says exactly which flushes the counts contain, whatever happened around the read.
 *
 * Why no count is lost or doubled:
 *
 * - Deltas live here, not in a cache: an entry of a snapshot cache comes and goes without touching them, and a
 *   subject's state is dropped only when `isFlushed` says that nothing is pending or in flight.
 * - One flush is under way at a time. A read with sequence s contains every flush ≤ s and no other. If the flush under
 *   way is ≤ s, it was committed before the read, though its confirmation is still on its way; its deltas are then not
 *   added again. If it is > s, the read lacks it, and it is added. `pending` is in no read.
 * - A read that is older than a confirmed flush lacks that flush. Is the count in memory, then it is not lowered:
 *   counts only grow, so the greater of two truths is the newer one. Was the count dropped after that flush, nothing in
 *   memory would tell: so dropping raises `#forgottenIn`, and a read from before it is refused as stale. Reading again
 *   cannot fail for the same reason, because the flush in question is committed.
 *
 * What is lost at kill -9 is what was not flushed, at most one flush interval.
 */
export class QuotaLedger {
  #dirty: PeriodCount[] = []
  #underWay: { flush: QuotaFlush; counts: PeriodCount[] } | null = null
  #sequence = 0
  /** The highest `flushedIn` of the counts that were closed. */
  #forgottenIn = 0
  /** The latest periods of the counts that were closed. */
  readonly #forgottenTo: Record<CalendarUnit, string> = { day: '', month: '' }

  /** Starts a count of which storage holds `stored`. */
  open(scope: LimitScope, subjectId: string, unit: CalendarUnit, periodId: string, stored: number): PeriodCount {
    return {
      scope,
      subjectId,
      unit,
      periodId,
      used: stored,
      pending: 0,
      inFlight: 0,
      flushedIn: 0,
      isDirty: false,
      limit: -1,
      warningPercent: 0,
      refusedLimit: -1,
    }
  }

  count(count: PeriodCount, cost: number): void {
    if (cost === 0) return
    if (!count.isDirty) this.#markDirty(count)
    count.used += cost
    count.pending += cost
  }

  /** Notes, for the next flush, that a denial has reached the limit in force. Once for each limit: it is denied for long. */
  refuse(count: PeriodCount): void {
    if (count.limit === count.refusedLimit) return
    count.refusedLimit = count.limit
    if (!count.isDirty) this.#markDirty(count)
  }

  isFlushed(count: PeriodCount): boolean {
    return !count.isDirty && count.inFlight === 0
  }

  close(count: PeriodCount): void {
    if (!this.isFlushed(count)) throw new Error('A count was dropped that storage lacks.')
    this.#forgottenIn = Math.max(this.#forgottenIn, count.flushedIn)
    if (count.periodId > this.#forgottenTo[count.unit]) this.#forgottenTo[count.unit] = count.periodId
  }

  /**
   * The latest period of which some count was dropped from memory. Only after a step back of the clock is it a future
   * one.
   */
  forgottenTo(unit: CalendarUnit): string {
    return this.#forgottenTo[unit]
  }

  /** Whether a read with this sequence contains all that was dropped from memory. If not, it has to be repeated. */
  knowsAllOf(flushSequence: number): boolean {
    return flushSequence >= this.#forgottenIn
  }

  /** Takes over a read of a count that is in memory: what other nodes have added shows, what this node knows stays. */
  reconcile(count: PeriodCount, stored: number, flushSequence: number): void {
    const containsFlight = this.#underWay !== null && this.#underWay.flush.sequence <= flushSequence
    const missing = (containsFlight ? 0 : count.inFlight) + count.pending
    count.used = Math.max(count.used, stored + missing)
  }

  /** How many counts wait for the next flush. */
  get dirtyCounts(): number {
    return this.#dirty.length
  }

  /**
   * The next flush, or null when there is nothing to write. While one is under way (neither confirmed nor rolled back),
   * that same flush is returned again: writing it again is the right answer to every failure.
   */
  drain(rowsMax: number): QuotaFlush | null {
    if (this.#underWay !== null) return this.#underWay.flush
    if (this.#dirty.length === 0) return null
    const counts = this.#dirty.splice(0, rowsMax)
    const rows = counts.map((count) => {
      const { scope, subjectId, unit, periodId, pending, limit, warningPercent } = count
      count.inFlight = pending
      count.pending = 0
      count.isDirty = false
      const isRefused = count.refusedLimit === limit
      return { scope, subjectId, unit, periodId, delta: pending, limit, warningPercent, isRefused }
    })
    this.#sequence++
    const flush = { sequence: this.#sequence, rows }
    this.#underWay = { flush, counts }
    return flush
  }

  /** The flush is committed. A confirmation that comes again is ignored. */
  confirm(sequence: number): void {
    const underWay = this.#end(sequence)
    for (const count of underWay) {
      count.inFlight = 0
      count.flushedIn = sequence
    }
  }

  /**
   * The flush is known not to be committed and never will be. When that is not certain, drain and write again instead.
   */
  rollback(sequence: number): void {
    for (const count of this.#end(sequence)) {
      if (!count.isDirty) this.#markDirty(count)
      count.pending += count.inFlight
      count.inFlight = 0
    }
  }

  #markDirty(count: PeriodCount): void {
    count.isDirty = true
    this.#dirty.push(count)
  }

  #end(sequence: number): PeriodCount[] {
    if (this.#underWay?.flush.sequence !== sequence) return []
    const { counts } = this.#underWay
    this.#underWay = null
    return counts
  }
}
