import { KeywardError } from '../errors/keyward-error.ts'
import type { Clock } from '../lib/clock.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { Logger } from '../lib/logger.ts'
import type { Limits } from './limits/limits.ts'
import type { QuotaSink } from './ports.ts'

/**
 * Writes what was counted for quotas, each second and at stop, and does the limits' housekeeping in between.
 *
 * A flush that failed may have been written all the same: the limits hand out that same flush again, and the sink applies
 * it once. So after a clean stop nothing is missing, and after a kill at most what one interval counted.
 */
export interface QuotaFlusher {
  start(): void
  /** Writes all that was counted before the call. Rejects when the sink fails; the next call tries the same again. */
  flush(): Promise<void>
  /** Writes what is left, with a few attempts, and gives leased credits back. Rejects when counts could not be written. */
  stop(): Promise<void>
}

export interface QuotaFlusherOptions {
  readonly limits: Pick<Limits, 'drainDeltas' | 'confirmFlush' | 'sweep' | 'stop'>
  readonly sink: QuotaSink
  readonly clock: Clock
  readonly logger: Pick<Logger, 'warn'>
  readonly intervalMs?: number
  readonly writeDeadlineMs?: number
}

const STOP_ATTEMPTS_MAX = 3

export function createQuotaFlusher(options: QuotaFlusherOptions): QuotaFlusher {
  const { limits, sink, clock, logger, intervalMs = 1_000, writeDeadlineMs = 10_000 } = options
  let timer: NodeJS.Timeout | undefined
  let lastWrite: Promise<void> = Promise.resolve()
  let isWriting = false
  let outageIsLogged = false

  async function writeAll(): Promise<void> {
    isWriting = true
    try {
      for (let next = limits.drainDeltas(); next !== null; next = limits.drainDeltas()) {
        const late = () => new KeywardError('UNAVAILABLE', 'Writing quotas took too long.')
        await withDeadline(sink.write(next), writeDeadlineMs, late)
        limits.confirmFlush(next.sequence)
      }
      outageIsLogged = false
    } catch (error) {
      if (!outageIsLogged) logger.warn({ err: error }, 'Quotas cannot be written; they are kept and tried again.')
      outageIsLogged = true
      throw error
    } finally {
      isWriting = false
    }
  }

  function flush(): Promise<void> {
    lastWrite = lastWrite.catch(() => undefined).then(writeAll)
    return lastWrite
  }

  return {
    flush,
    start() {
      timer ??= setInterval(() => {
        limits.sweep(clock.now())
        // Failures are logged where they happen.
        if (!isWriting) flush().catch(() => undefined)
      }, intervalMs)
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      let failure: unknown = null
      for (let attempt = 1; attempt <= STOP_ATTEMPTS_MAX; attempt++) {
        failure = await flush().then(
          () => null,
          (error: unknown) => error,
        )
        if (failure === null) break
      }
      await limits.stop()
      if (failure !== null) throw failure
    },
  }
}
