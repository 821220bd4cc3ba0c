import type { Clock } from '../../src/lib/clock.ts'

export interface ManualClock extends Clock {
  advance(ms: number): void
  set(instant: string): void
}

/** A clock that stands still until it is moved. */
export function createManualClock(start = '2026-03-04T05:06:07.890Z'): ManualClock {
  let now = Date.parse(start)
  return {
    now: () => now,
    advance(ms) {
      now += ms
    },
    set(instant) {
      now = Date.parse(instant)
    },
  }
}
