import { KeywardError } from '../../errors/keyward-error.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { Logger } from '../../lib/logger.ts'
import type { KeySnapshot } from '../cache/snapshot.ts'
import type { UsageFlush, UsageSink } from '../ports.ts'
import type { VerdictCode } from '../verdict-code.ts'
import type { Tag } from '../verify-request.ts'
import { countTags } from './tag-tally.ts'
import {
  countVerdict,
  createTally,
  elapsedMs,
  emptyTally,
  MINUTE_MS,
  openTally,
  toFlush,
  type UsageTally,
} from './usage-tally.ts'

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
 * of known size. Tags have a bound of their own, `tagsMax`: those that find no room are counted as `OTHER_TAG`
 * (`tag-tally.ts`), which takes one place a tally at most.
 *
 * At most what was counted since the last flush is lost when the process is killed; nothing when it is told to stop.
 */
export interface UsageRecorder {
  record(snapshot: KeySnapshot, code: VerdictCode, now: number, ip: string | undefined, tags?: readonly Tag[]): void
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
  /** Tags in memory, of all tallies. */
  readonly waitingTags: number
}

export interface UsageRecorderOptions {
  readonly sink: UsageSink
  /** Makes UUIDs. */
  readonly newId: () => string
  readonly logger: Pick<Logger, 'warn' | 'error'>
  /** Lower, and the database is asked more often; higher, and more is lost when the process is killed. */
  readonly intervalMs?: number
  readonly talliesMax?: number
  /** At about 300 bytes each. */
  readonly tagsMax?: number
  readonly writeDeadlineMs?: number
}

/** Counts that left their tallies. It does not change any more, and it may have been written already. */
interface SealedFlush {
  readonly flush: UsageFlush
  readonly tallyCount: number
  readonly tagCount: number
}

/** Higher, and one flush holds up verification (about 1 µs per tally) and its rows are locked for longer. */
const TALLIES_PER_FLUSH_MAX = 1_000
/** The same for tags, at about 2 µs each. The tally that reaches it comes along whole. */
const TAGS_PER_FLUSH_MAX = 2_000
const STOP_ATTEMPTS_MAX = 3

export function createUsageRecorder(options: UsageRecorderOptions): UsageRecorder {
  const { sink, newId, logger, intervalMs = 1_000, writeDeadlineMs = 5_000 } = options
  const { talliesMax = 200_000, tagsMax = 100_000 } = options
  /** In the order in which they were opened. What is counted in them is in no flush yet. */
  const open: UsageTally[] = []
  let openTags = 0
  let sealed: SealedFlush | null = null
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
      return open.length + (sealed?.tallyCount ?? 0)
    },
    get waitingTags() {
      return openTags + (sealed?.tagCount ?? 0)
    },
  }

  function record(
    snapshot: KeySnapshot,
    code: VerdictCode,
    now: number,
    ip: string | undefined,
    tags?: readonly Tag[],
  ): void {
    let { tally } = snapshot
    // A clock that was set back opens no new tally: until the next flush, the count goes to the minute that is open.
    if (tally === null || !tally.isOpen || elapsedMs(tally, now) >= MINUTE_MS) {
      if (stats.waiting >= talliesMax) {
        drop()
        return
      }
      // One that is open belongs to a minute that is over: it stays as it is until it is flushed.
      if (tally === null || tally.isOpen) {
        tally = createTally(snapshot)
        snapshot.tally = tally
      }
      openTally(tally, now)
      open.push(tally)
    }
    countVerdict(tally, code, now, ip)
    if (tags !== undefined) recordTags(tally, tags, code)
  }

  function recordTags(tally: UsageTally, tags: readonly Tag[], code: VerdictCode): void {
    tally.tags ??= new Map()
    openTags += countTags(tally.tags, tags, code, tagsMax - stats.waitingTags)
  }

  function drop(): void {
    stats.dropped++
    if (lossIsLogged) return
    lossIsLogged = true
    logger.error({ talliesMax }, 'Usage waits in memory up to its bound: verdicts of further keys are not counted.')
  }

  /** Takes the counts out of the oldest tallies, which count from 0 again wherever snapshots hold them. */
  function seal(tallyCountMax: number): SealedFlush {
    let [tallyCount, tagCount] = [0, 0]
    for (const { tags } of open) {
      if (tallyCount === tallyCountMax || tallyCount === TALLIES_PER_FLUSH_MAX || tagCount >= TAGS_PER_FLUSH_MAX) break
      tallyCount++
      tagCount += tags?.size ?? 0
    }
    const tallies = open.splice(0, tallyCount)
    openTags -= tagCount
    const flush = toFlush(newId(), tallies)
    for (const tally of tallies) emptyTally(tally)
    return { flush, tallyCount, tagCount }
  }

  async function writeSealed(): Promise<void> {
    if (sealed === null) return
    const write = sink.write(sealed.flush)
    await withDeadline(write, writeDeadlineMs, () => new KeywardError('UNAVAILABLE', 'Writing usage took too long.'))
    sealed = null
    stats.flushed++
  }

  async function writeAll(): Promise<void> {
    try {
      // What failed before goes first; only then is more sealed, so that counts go on merging through an outage.
      await writeSealed()
      let left = open.length
      while (left > 0) {
        sealed = seal(left)
        left -= sealed.tallyCount
        await writeSealed()
      }
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
