import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'

/** Lower, and a mistake that every read meets fills the log; higher, and a second mistake behind it is seen later. */
const INTERVAL_MS = 10_000

/** Logs reads of keys that failed, one in each interval, with how many there were since the last one that was logged. */
export function createReadFailureLog(deps: {
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}): (error: unknown) => void {
  const { clock, logger } = deps
  let quietUntil = Number.NEGATIVE_INFINITY
  let unlogged = 0
  return (error) => {
    const now = clock.now()
    // A clock that was set back must not keep the log quiet until it is there again.
    if (now < quietUntil && quietUntil - now <= INTERVAL_MS) {
      unlogged++
      return
    }
    logger.error({ err: error, failuresBefore: unlogged }, 'A key could not be read for a verification.')
    quietUntil = now + INTERVAL_MS
    unlogged = 0
  }
}
