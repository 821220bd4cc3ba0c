/** Where time comes from. Everything that depends on time takes a clock, so that tests can move it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May step backwards when the machine's clock is set. */
  now(): number
}

export const systemClock: Clock = { now: Date.now }
