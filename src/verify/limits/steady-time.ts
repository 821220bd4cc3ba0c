/**
 * Time for limiters, made from readings of a clock that may be set.
 *
 * A limiter needs time that never runs backwards, else a window that moved on would come back and open or shut the
 * limit. Taking the highest reading so far is not enough: after the clock was put right by an hour, time would stand
 * still for an hour, and a limit that fills up meanwhile stays shut. So this keeps a time of its own and adds to it
 * what the clock moves forward:
 *
 * 1. A reading below the highest one adds nothing: no step back can move a window, in either direction.
 * 2. If it is below by no more than `STRAY_MS`, it is taken for an old reading of a caller that waited, and time goes
 *    on when the readings pass the highest one again. Otherwise callers that alternate between old and new readings
 *    would add up their differences, and time would run too fast: that opens limits.
 * 3. If it is below by more, the clock was set back, and time goes on from the new reading. What passed between the
 *    last reading and the step is lost: a window is then longer by that, never shorter. One object is fed by every
 *    verification of a node, not by those of one key, which keeps that loss at the gap between two verifications.
 * 4. A reading that jumps over the highest one from before the step may be the clock returning from a glitch. Only what
 *    lies beyond that highest reading is added then, because the rest may be no time at all.
 *
 * A step forward cannot be told from idleness, it counts as time. Each advance is limited, so that even readings
 * centuries away cannot overflow the small integers that windows are kept in.
 */
export class SteadyTime {
  #started = false
  #steadyMs = 0
  /** The highest reading since the last step back. */
  #highMs = 0
  /** The highest reading before it, while readings are below that one. */
  #abandonedHighMs = Number.NEGATIVE_INFINITY

  /** Takes a reading of the clock. Returns milliseconds since the first reading, never less than it did before. */
  observe(clockMs: number): number {
    if (clockMs >= this.#highMs && this.#started) {
      const from = clockMs >= this.#abandonedHighMs ? Math.max(this.#highMs, this.#abandonedHighMs) : this.#highMs
      if (clockMs >= this.#abandonedHighMs) this.#abandonedHighMs = Number.NEGATIVE_INFINITY
      this.#steadyMs += Math.min(clockMs - from, ADVANCE_MAX_MS)
      this.#highMs = clockMs
    } else if (!this.#started) {
      this.#started = true
      this.#highMs = clockMs
    } else if (this.#highMs - clockMs > STRAY_MS) {
      this.#abandonedHighMs = Math.max(this.#abandonedHighMs, this.#highMs)
      this.#highMs = clockMs
    }
    return this.#steadyMs
  }
}

/**
 * Lower, and slow callers are mistaken for a clock that was set; higher, and a small step back lengthens windows by
 * more.
 */
export const STRAY_MS = 10_000

/** Longer than any sliding window; a token bucket that takes longer to fill does so in several steps. */
const ADVANCE_MAX_MS = 32 * 24 * 60 * 60 * 1000
