/**
 * Time for limiters, made from readings of a clock that may be set.
 *
 * A limiter needs time that never runs backwards, else a window that moved on would come back and open or shut the
 * limit. Taking the highest reading so far is not enough: after the clock was put right by an hour, time would stand
 * still for an hour, and a limit that fills up meanwhile stays shut. So this keeps a time of its own and adds to it
 * what the clock moves forward:
 *
 * 1. A reading below the last one adds nothing: the clock was set back, and time goes on from the new reading. What
 *    passed between the last reading and the step is lost: a window is then longer by that, never shorter. One object is
 *    fed by every verification of a node, not by those of one key, which keeps that loss at the gap between two
 *    verifications.
 * 2. A reading that jumps over the highest one from before the step may be the clock returning from a glitch. Only what
 *    lies beyond that highest reading is added then, because the rest may be no time at all.
 *
 * Readings must come in the order in which they were taken. Old ones of callers that waited would each look like a step
 * back, and those that alternate between old and new ones would add up their differences: time would run too fast, which
 * opens limits. Whoever has waited reads the clock again, or asks what the time was last (`lastMs`). To take small steps back
 * for old readings instead is no way out: time would stand still for as long as a step of the clock was, and limits
 * that are in use would shut.
 *
 * A step forward cannot be told from idleness, it counts as time. Each advance is limited, so that even readings
 * centuries away cannot overflow the small integers that windows are kept in.
 */
export class SteadyTime {
  #started = false
  #steadyMs = 0
  #readingMs = 0
  /** The highest reading before the clock was set back, while readings are below that one. */
  #abandonedHighMs = Number.NEGATIVE_INFINITY

  /** What `observe` returned last. */
  get lastMs(): number {
    return this.#steadyMs
  }

  /**
   * Takes a reading of the clock, made right before the call. Returns milliseconds since the first reading, never less
   * than it did before.
   */
  observe(clockMs: number): number {
    if (clockMs >= this.#readingMs && this.#started) {
      const hasReturned = clockMs >= this.#abandonedHighMs
      const from = hasReturned ? Math.max(this.#readingMs, this.#abandonedHighMs) : this.#readingMs
      if (hasReturned) this.#abandonedHighMs = Number.NEGATIVE_INFINITY
      this.#steadyMs += Math.min(clockMs - from, ADVANCE_MAX_MS)
    } else if (this.#started) {
      this.#abandonedHighMs = Math.max(this.#abandonedHighMs, this.#readingMs)
    }
    this.#started = true
    this.#readingMs = clockMs
    return this.#steadyMs
  }
}

/** Longer than any sliding window; a token bucket that takes longer to fill does so in several steps. */
const ADVANCE_MAX_MS = 32 * 24 * 60 * 60 * 1000
