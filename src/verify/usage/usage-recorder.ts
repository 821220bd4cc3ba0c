import { KeywardError } from '../../errors/keyward-error.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { Logger } from '../../lib/logger.ts'
import type { KeySnapshot } from '../cache/snapshot.ts'
import type { UsageSink } from '../ports.ts'
import type { VerdictCode } from '../verdict-code.ts'
import { countVerdict, MINUTE_MS, openTally, toFlush, type UsageTally } from './usage-tally.ts'

/**
 * Counts what was answered, in memory, and hands the counts to a sink each second and at stop.
 *
 * Exactly once: counts leave memory in a flush that has an id and never changes. When writing it fails, it may have
 * been written all the same, its answer lost; so the same flush is written again under the same id, and the sink applies
 * each id once. What is counted meanwhile goes into a later flush.
 *
 * Bounded: counts are merged per key and minute, so a long outage costs memory per key in use and not per request. When
 * even that reaches `talliesMax`, verdicts for pairs of key and minute that are not in memory yet are not counted:
 * they increase `stats.dropped`, and a log line says so once per outage. Verification goes on; its statistics have a hole
 * of known size.
 *
 * At most what was counted since the last flush is lost when the process is killed; nothing when it is told to stop.
 */
export interface UsageRecorder {
  record(snapshot: KeySnapshot, code: VerdictCode, now: number, ip: string | undefined): void
  /** Begins to flush each interval. */
  start(): void
  /** Writes everything that was counted before the call. Rejects when the sink fails; the next call tries the same again. */
  flush(): Promise<void>
  /** Ends the interval and writes what is left, with a few attempts. Rejects when they all failed. */
  stop(): Promise<void>
  readonly stats: UsageRecorderStats
}

export interface UsageRecorderStats {
  flushed: number
  flushesFailed: number
  /** Verdicts that were answered and not counted. */
  dropped: number
  /** Tallies in memory: pairs of key and minute. */
  readonly waiting: number
}

export interface UsageRecorderOptions {
  readonly sink: UsageSink
  /** Makes UUIDs. */
  readonly newId: () => string
  readonly logger: Pick<Logger, 'warn' | 'error'>
  /** Lower, and the database is asked more often; higher, and more is lost when the process is killed. */
  readonly intervalMs?: number
  readonly talliesMax?: number
  readonly writeDeadlineMs?: number
}

interface SealedTallies {
  readonly id: string
  readonly tallies: readonly UsageTally[]
}

/** Higher, and one flush holds up verification (about 1 µs per tally) and its rows are locked for longer. */
const TALLIES_PER_FLUSH_MAX = 1_000
const STOP_ATTEMPTS_MAX = 3

export function createUsageRecorder(options: UsageRecorderOptions): UsageRecorder {
  const { sink, newId, logger, intervalMs = 1_000, talliesMax = 200_000, writeDeadlineMs = 5_000 } = options
  /** All of the current round. */
  let open: UsageTally[] = []
  let round = 1
  /** Oldest first. These do not change any more; the first may have been written already. */
  const sealed: SealedTallies[] = []
  let sealedCount = 0
  let lastWrite: Promise<void> = Promise.resolve()
  let writesUnderWay = 0
  let timer: NodeJS.Timeout | undefined
  let outageIsLogged = false
  let lossIsLogged = false

  const stats = {
    flushed: 0,
    flushesFailed: 0,
    dropped: 0,
    get waiting() {
      return open.length + sealedCount
    },
  }

  function record(snapshot: KeySnapshot, code: VerdictCode, now: number, ip: string | undefined): void {
    let tally = snapshot.tally
    // A clock that was set back opens no new tally: until the next round, the count goes to the minute that is open.
    if (tally === null || tally.round !== round || now - tally.minute >= MINUTE_MS) {
      if (open.length + sealedCount >= talliesMax) {
        drop()
        return
      }
      tally = openTally(snapshot, now, round)
      snapshot.tally = tally
      open.push(tally)
    }
    countVerdict(tally, code, now, ip)
  }

  function drop(): void {
    stats.dropped++
    if (lossIsLogged) return
    lossIsLogged = true
    logger.error({ talliesMax }, 'Usage waits in memory up to its bound: verdicts of further keys are not counted.')
  }

  /** Closes the round: nothing is counted any more in its tallies, wherever snapshots still hold them. */
  function seal(): void {
    round++
    for (let first = 0; first < open.length; first += TALLIES_PER_FLUSH_MAX) {
      sealed.push({ id: newId(), tallies: open.slice(first, first + TALLIES_PER_FLUSH_MAX) })
    }
    sealedCount += open.length
    open = []
  }

  async function writeSealed(): Promise<void> {
    for (let next = sealed[0]; next !== undefined; next = sealed[0]) {
      const write = sink.write(toFlush(next.id, next.tallies))
      await withDeadline(write, writeDeadlineMs, () => new KeywardError('UNAVAILABLE', 'Writing usage took too long.'))
      sealed.shift()
      sealedCount -= next.tallies.length
      stats.flushed++
    }
  }

  async function writeAll(): Promise<void> {
    try {
      // What failed before goes first; only then is more sealed, so that counts go on merging through an outage.
      await writeSealed()
      seal()
      await writeSealed()
      outageIsLogged = false
      lossIsLogged = false
    } catch (error) {
      stats.flushesFailed++
      if (!outageIsLogged) logger.warn({ err: error }, 'Usage cannot be written; it is kept and tried again.')
      outageIsLogged = true
      throw error
    }
  }

  /** Writes follow one another: two at a time would write the same flush. */
  async function flush(): Promise<void> {
    const before = lastWrite
    writesUnderWay++
    lastWrite = before
      .catch(() => undefined)
      .then(writeAll)
      .finally(() => {
        writesUnderWay--
      })
    return lastWrite
  }

  return {
    record,
    stats,
    flush,
    start() {
      timer ??= setInterval(() => {
        // Failures are logged and counted where they happen.
        if (writesUnderWay === 0) flush().catch(() => undefined)
      }, intervalMs)
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      for (let attempt = 1; attempt < STOP_ATTEMPTS_MAX; attempt++) {
        const written = await flush().then(
          () => true,
          () => false,
        )
        if (written) return
      }
      await flush()
    },
  }
}
