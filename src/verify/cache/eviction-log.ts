/**
 * Remembers what was evicted while reads are under way, so that a read that began before an eviction is recognised
 * when it ends: what it brings may be from before the change.
 *
 * What a read will bring is known only when it ends, so the log holds evictions, not reads. It is empty whenever nothing
 * is under way. Traffic that never pauses could make it grow, so beyond a bound it forgets the details and holds that
 * everything was evicted: reads under way are then repeated, which costs a little and is never wrong.
 */
export interface EvictionLog {
  /** How many reads are under way. */
  readonly readsUnderWay: number
  begin(): ReadTicket
  /** Each ticket ends once, whether or not its read succeeded. */
  end(ticket: ReadTicket): void
  /** Notes that whatever carries this mark has changed. Marks of different kinds must differ. */
  note(mark: string): void
  noteAll(): void
  /** Whether anything with one of the marks was evicted after the ticket's read began. */
  hasEvictedSince(ticket: ReadTicket, marks: readonly string[]): boolean
}

export interface ReadTicket {
  readonly beganAt: number
}

export function createEvictionLog({ marksMax }: { readonly marksMax: number }): EvictionLog {
  const evictedAt = new Map<string, number>()
  let allEvictedAt = 0
  let sequence = 0
  let readsUnderWay = 0

  function noteAll(): void {
    allEvictedAt = ++sequence
    evictedAt.clear()
  }

  return {
    get readsUnderWay() {
      return readsUnderWay
    },
    begin() {
      readsUnderWay++
      return { beganAt: sequence }
    },
    end() {
      readsUnderWay--
      if (readsUnderWay === 0) evictedAt.clear()
    },
    note(mark) {
      if (readsUnderWay === 0) return
      if (evictedAt.size >= marksMax && !evictedAt.has(mark)) noteAll()
      else evictedAt.set(mark, ++sequence)
    },
    noteAll,
    hasEvictedSince({ beganAt }, marks) {
      return allEvictedAt > beganAt || marks.some((mark) => (evictedAt.get(mark) ?? 0) > beganAt)
    },
  }
}
