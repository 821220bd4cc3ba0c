import { KeywardError } from '../../errors/keyward-error.ts'
import type { Clock } from '../../lib/clock.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Limits } from '../limits/limits.ts'
import type { QuotaSink } from '../ports.ts'

/**
 * Writes what was counted for quotas, each second and at stop, and does the limits' housekeeping in between.
 *
 * A flush that failed may have been written all the same: the limits hand out that same flush again, and the sink applies
 * it once. So after a clean stop nothing is missing, and after a kill at most what one interval counted.
 *
 * A node that counts nothing shows each hour that it is still there: the sink forgets how far silent nodes have written.
 */
export interface QuotaFlusher {
  start(): void
  /** Writes all that was counted before the call. Rejects when the sink fails; the next call tries the same again. */
  flush(): Promise<void>
  /**
   * Writes what is left, with a few attempts, and gives leased credits back. Rejects when counts could not be written;
   * credits that could not be given back in time are lost, as with a kill.
   */
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
/** Much shorter than any sink's memory of nodes. */
const KEEP_ALIVE_INTERVAL_MS = 3_600_000

export function createQuotaFlusher(options: QuotaFlusherOptions): QuotaFlusher {
  const { limits, sink, clock, logger, intervalMs = 1_000, writeDeadlineMs = 5_000 } = options
  let timer: NodeJS.Timeout | undefined
  let lastWrite: Promise<void> = Promise.resolve()
  let isWriting = false
  let outageIsLogged = false
  let heardOfAt = clock.now()

  async function writeAll(): Promise<void> {
    isWriting = true
    try {
      for (let next = limits.drainDeltas(); next !== null; next = limits.drainDeltas()) {
        await withDeadline(sink.write(next), writeDeadlineMs, tooSlow)
        limits.confirmFlush(next.sequence)
        heardOfAt = clock.now()
      }
      if (Math.abs(clock.now() - heardOfAt) >= KEEP_ALIVE_INTERVAL_MS) await keepAlive()
      outageIsLogged = false
    } catch (error) {
      if (!outageIsLogged) logger.warn({ err: error }, 'Quotas cannot be written; they are kept and tried again.')
      outageIsLogged = true
      throw error
    } finally {
      isWriting = false
    }
  }

  async function keepAlive(): Promise<void> {
    await withDeadline(sink.keepAlive(), writeDeadlineMs, tooSlow)
    heardOfAt = clock.now()
  }

  function flush(): Promise<void> {
    lastWrite = lastWrite.catch(() => undefined).then(writeAll)
    return lastWrite
  }

  async function writeLast(): Promise<void> {
    for (let attempt = 1; attempt < STOP_ATTEMPTS_MAX; attempt++) {
      const written = await flush().then(
        () => true,
        () => false,
      )
      if (written) return
    }
    await flush()
  }

  async function giveCreditsBack(): Promise<void> {
    const late = () => new KeywardError('UNAVAILABLE', 'Giving credits back took too long.')
    await withDeadline(limits.stop(), writeDeadlineMs, late).catch((error: unknown) => {
      logger.warn({ err: error }, 'Leased credits are lost: they could not be given back.')
    })
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
      const [writing] = await Promise.allSettled([writeLast(), giveCreditsBack()])
      if (writing.status === 'rejected') throw writing.reason
    },
  }
}

function tooSlow(): KeywardError {
  return new KeywardError('UNAVAILABLE', 'Writing quotas took too long.')
}
