import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { KeySnapshot } from '../../../src/verify/cache/snapshot.ts'
import type { UsageFlush, UsageSink } from '../../../src/verify/ports.ts'
import { createUsageRecorder, type UsageRecorderOptions } from '../../../src/verify/usage/usage-recorder.ts'
import { VERDICT_CODES } from '../../../src/verify/verdict-code.ts'
import type { Tag } from '../../../src/verify/verify-request.ts'
import { compileSnapshot, keyRecord } from '../key-records.ts'
import { withSeedsAsync } from '../limits/seeded-random.ts'

const NOON = Date.parse('2026-03-04T12:00:00.000Z')
const SECOND = 1_000
const MINUTE = 60_000

interface MemorySink extends UsageSink {
  readonly flushes: UsageFlush[]
  /** What each flush id stands for, as a database would have it that applies an id once. */
  readonly applied: Map<string, UsageFlush>
  failure: 'none' | 'before' | 'after'
}

function createMemorySink(): MemorySink {
  const sink: MemorySink = {
    flushes: [],
    applied: new Map(),
    failure: 'none',
    async write(flush) {
      sink.flushes.push(flush)
      if (sink.failure === 'before') throw new Error('no connection')
      const before = sink.applied.get(flush.id)
      if (before !== undefined) expect(flush).toEqual(before)
      sink.applied.set(flush.id, flush)
      if (sink.failure === 'after') throw new Error('the answer was lost')
    },
  }
  return sink
}

function setUp(options: Partial<UsageRecorderOptions> = {}) {
  const sink = createMemorySink()
  const logged: string[] = []
  const log = (_: unknown, message?: string) => void logged.push(message ?? '')
  const recorder = createUsageRecorder({ sink, newId: randomUUID, logger: { warn: log, error: log }, ...options })
  return { sink, recorder, logged }
}

function snapshotOf(keyId: string = randomUUID()): KeySnapshot {
  return compileSnapshot(keyRecord({ keyId }))
}

/** Tags of the given numbers, which no other number has. */
function tagsOf(...numbers: readonly number[]): readonly Tag[] {
  return numbers.map((number) => ({ name: 'n', value: String(number) }))
}

/** How often each tag was counted, by its value. */
function tagCounts(sink: MemorySink): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { tag, count } of [...sink.applied.values()].flatMap(({ tags }) => tags)) {
    counts[tag.value] = (counts[tag.value] ?? 0) + count
  }
  return counts
}

function totals(sink: MemorySink): { requests: number; minutes: number } {
  const flushes = [...sink.applied.values()]
  const requests = flushes.flatMap(({ keys }) => keys).reduce((sum, { requestCount }) => sum + requestCount, 0)
  const minutes = flushes.flatMap(({ minutes }) => minutes).reduce((sum, { count }) => sum + count, 0)
  return { requests, minutes }
}

describe('a flush', () => {
  test('says for each key how often it was asked about, when last and from where, and for each minute which codes', async () => {
    const { sink, recorder } = setUp()
    const key = snapshotOf()
    recorder.record(key, 'VALID', NOON, '10.0.0.1')
    recorder.record(key, 'VALID', NOON + SECOND, undefined)
    recorder.record(key, 'REVOKED', NOON + 2 * SECOND, undefined)
    recorder.record(key, 'VALID', NOON + MINUTE + SECOND, '10.0.0.2')
    await recorder.flush()
    const { keyId, tenantId } = key
    expect(sink.flushes).toHaveLength(1)
    expect(sink.flushes[0]).toMatchObject({
      keys: [{ keyId, tenantId, requestCount: 4, lastUsedAt: NOON + MINUTE + SECOND, lastUsedIp: '10.0.0.2' }],
      minutes: [
        { keyId, tenantId, minute: NOON, code: 'VALID', count: 2 },
        { keyId, tenantId, minute: NOON, code: 'REVOKED', count: 1 },
        { keyId, tenantId, minute: NOON + MINUTE, code: 'VALID', count: 1 },
      ],
    })
  })

  test('says for each key and minute which codes had which tags', async () => {
    const { sink, recorder } = setUp()
    const key = snapshotOf()
    const [orders, eu] = [
      { name: 'route', value: 'orders' },
      { name: 'region', value: 'eu' },
    ]
    recorder.record(key, 'VALID', NOON, undefined, [orders, eu])
    recorder.record(key, 'VALID', NOON, undefined, [orders])
    recorder.record(key, 'RATE_LIMITED', NOON, undefined, [orders])
    recorder.record(key, 'VALID', NOON, undefined)
    recorder.record(key, 'VALID', NOON + MINUTE, undefined, [eu])
    await recorder.flush()
    const { keyId, tenantId } = key
    expect(sink.flushes[0]?.tags).toEqual([
      { keyId, tenantId, minute: NOON, tag: orders, code: 'VALID', count: 2 },
      { keyId, tenantId, minute: NOON, tag: orders, code: 'RATE_LIMITED', count: 1 },
      { keyId, tenantId, minute: NOON, tag: eu, code: 'VALID', count: 1 },
      { keyId, tenantId, minute: NOON + MINUTE, tag: eu, code: 'VALID', count: 1 },
    ])
    expect(recorder.stats.waitingTags).toBe(0)
  })

  test('says nothing of the tags of the flush before', async () => {
    const { sink, recorder } = setUp()
    const key = snapshotOf()
    recorder.record(key, 'VALID', NOON, undefined, tagsOf(1))
    await recorder.flush()
    recorder.record(key, 'VALID', NOON, undefined)
    await recorder.flush()
    expect(sink.flushes.map(({ tags }) => tags.length)).toEqual([1, 0])
  })

  test('names each key once, also when several of its secrets are in use', async () => {
    const { sink, recorder } = setUp()
    const keyId = randomUUID()
    recorder.record(snapshotOf(keyId), 'VALID', NOON, '10.0.0.1')
    recorder.record(snapshotOf(keyId), 'VALID', NOON + 1, undefined)
    await recorder.flush()
    expect(sink.flushes[0]?.keys).toMatchObject([{ requestCount: 2, lastUsedAt: NOON + 1, lastUsedIp: '10.0.0.1' }])
    expect(sink.flushes[0]?.minutes).toMatchObject([{ code: 'VALID', count: 2 }])
    expect(sink.flushes[0]?.secrets).toMatchObject([{ lastUsedAt: NOON }, { lastUsedAt: NOON + 1 }])
  })

  test('holds everything that was counted before it was asked for', async () => {
    const { sink, recorder } = setUp()
    const key = snapshotOf()
    recorder.record(key, 'VALID', NOON, undefined)
    const first = recorder.flush()
    recorder.record(key, 'VALID', NOON, undefined)
    await Promise.all([first, recorder.flush()])
    expect(totals(sink)).toEqual({ requests: 2, minutes: 2 })
  })

  test('of nothing is not written', async () => {
    const { sink, recorder } = setUp()
    await recorder.flush()
    expect(sink.flushes).toEqual([])
  })

  test('of many keys is written in parts', async () => {
    const { sink, recorder } = setUp()
    for (let index = 0; index < 2_500; index++) recorder.record(snapshotOf(), 'VALID', NOON, undefined)
    await recorder.flush()
    expect(sink.flushes.map(({ keys }) => keys.length)).toEqual([1_000, 1_000, 500])
    expect(recorder.stats).toMatchObject({ flushed: 3, waiting: 0 })
  })

  test('of many tags is written in parts', async () => {
    const { sink, recorder } = setUp()
    for (let index = 0; index < 20; index++) {
      const key = snapshotOf()
      for (let number = 0; number < 700; number++) recorder.record(key, 'VALID', NOON, undefined, tagsOf(number))
    }
    await recorder.flush()
    expect(sink.flushes.map(({ tags }) => tags.length)).toEqual([...Array(6).fill(2_100), 1_400])
    expect(totals(sink)).toEqual({ requests: 14_000, minutes: 14_000 })
    expect(recorder.stats).toMatchObject({ waiting: 0, waitingTags: 0 })
  })

  test('a clock that is set back counts in the minute that is open and loses nothing', async () => {
    const { sink, recorder } = setUp()
    const key = snapshotOf()
    recorder.record(key, 'VALID', NOON, undefined)
    recorder.record(key, 'VALID', NOON - MINUTE, undefined)
    await recorder.flush()
    expect(sink.flushes[0]?.minutes).toMatchObject([{ minute: NOON, count: 2 }])
  })
})

describe('a sink that fails', () => {
  test.each(['before', 'after'] as const)(
    'when it fails %s writing, nothing is counted twice or lost',
    async (failure) => {
      const { sink, recorder } = setUp()
      const key = snapshotOf()
      recorder.record(key, 'VALID', NOON, undefined)
      sink.failure = failure
      await expect(recorder.flush()).rejects.toThrow()
      recorder.record(key, 'DISABLED', NOON, undefined)
      await expect(recorder.flush()).rejects.toThrow()
      sink.failure = 'none'
      await recorder.flush()
      expect(totals(sink)).toEqual({ requests: 2, minutes: 2 })
      expect(recorder.stats.flushesFailed).toBe(2)
    },
  )

  test('counts of an outage merge, so that it costs memory per key and minute and not per request', async () => {
    const { sink, recorder } = setUp()
    const key = snapshotOf()
    sink.failure = 'before'
    for (let second = 0; second < 120; second++) {
      for (let request = 0; request < 100; request++) recorder.record(key, 'VALID', NOON + second * SECOND, undefined)
      await recorder.flush().catch(() => undefined)
    }
    expect(recorder.stats.waiting).toBeLessThanOrEqual(3)
    sink.failure = 'none'
    await recorder.flush()
    expect(totals(sink)).toEqual({ requests: 12_000, minutes: 12_000 })
  })

  test('when memory is used up, further keys are not counted, the loss is counted and logged once', async () => {
    const { sink, recorder, logged } = setUp({ talliesMax: 10 })
    sink.failure = 'before'
    const known = snapshotOf()
    recorder.record(known, 'VALID', NOON, undefined)
    for (let index = 0; index < 19; index++) recorder.record(snapshotOf(), 'VALID', NOON, undefined)
    recorder.record(known, 'VALID', NOON, undefined)
    expect(recorder.stats).toMatchObject({ waiting: 10, dropped: 10 })
    await recorder.flush().catch(() => undefined)
    await recorder.flush().catch(() => undefined)
    expect(logged).toHaveLength(2)
    sink.failure = 'none'
    await recorder.flush()
    expect(totals(sink)).toEqual({ requests: 11, minutes: 11 })
  })

  test('when memory for tags is used up, further ones are counted as other, and every verdict is counted', async () => {
    const { sink, recorder } = setUp({ tagsMax: 10 })
    sink.failure = 'before'
    const [key, later] = [snapshotOf(), snapshotOf()]
    for (let number = 0; number < 30; number++) recorder.record(key, 'VALID', NOON, undefined, tagsOf(number))
    await recorder.flush().catch(() => undefined)
    for (let number = 0; number < 30; number++) recorder.record(later, 'VALID', NOON, undefined, tagsOf(number))
    expect(recorder.stats).toMatchObject({ dropped: 0, waitingTags: 12 })
    sink.failure = 'none'
    await recorder.flush()
    expect(tagCounts(sink)).toMatchObject({ 0: 1, 9: 1, other: 50 })
    expect(totals(sink)).toEqual({ requests: 60, minutes: 60 })
    recorder.record(later, 'VALID', NOON, undefined, tagsOf(31))
    await recorder.flush()
    expect(tagCounts(sink)).toMatchObject({ 31: 1, other: 50 })
  })

  test('a sink that never answers does not hold up the flushes after it for ever', async () => {
    const { recorder } = setUp({ sink: { write: () => new Promise(() => undefined) }, writeDeadlineMs: 5 })
    recorder.record(snapshotOf(), 'VALID', NOON, undefined)
    await expect(recorder.flush()).rejects.toThrow('too long')
  })
})

describe('once started', () => {
  test('what is counted is written within a second, each second, and nothing after the stop', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { sink, recorder } = setUp()
    const key = snapshotOf()
    recorder.start()
    recorder.start()
    for (let second = 1; second <= 3; second++) {
      recorder.record(key, 'VALID', NOON, undefined)
      await vi.advanceTimersByTimeAsync(SECOND - 1)
      expect(sink.flushes).toHaveLength(second - 1)
      await vi.advanceTimersByTimeAsync(1)
      expect(sink.flushes).toHaveLength(second)
    }
    expect(totals(sink)).toEqual({ requests: 3, minutes: 3 })
    await recorder.stop()
    recorder.record(key, 'VALID', NOON, undefined)
    await vi.advanceTimersByTimeAsync(10 * SECOND)
    expect(sink.flushes).toHaveLength(3)
  })
})

describe('stopping', () => {
  test('writes what is left', async () => {
    const { sink, recorder } = setUp()
    recorder.start()
    recorder.record(snapshotOf(), 'VALID', NOON, undefined)
    await recorder.stop()
    expect(totals(sink)).toEqual({ requests: 1, minutes: 1 })
  })

  test('tries again when writing fails, and says so when it fails for good', async () => {
    const { sink, recorder } = setUp()
    recorder.record(snapshotOf(), 'VALID', NOON, undefined)
    sink.failure = 'before'
    await expect(recorder.stop()).rejects.toThrow('no connection')
    expect(sink.flushes).toHaveLength(3)
  })
})

test('in any order of verdicts, flushes and failures, the counts are exact', async () => {
  await withSeedsAsync(300, async (random) => {
    const { sink, recorder } = setUp({ tagsMax: 6 })
    const keyIds = [randomUUID(), randomUUID(), randomUUID()]
    let snapshots = keyIds.map(snapshotOf)
    let now = NOON
    let recorded = 0
    let tagged = 0
    const flushes: Promise<unknown>[] = []
    for (let step = 0; step < 200; step++) {
      const dice = random.int(1, 100)
      if (dice <= 70) {
        const tags = tagsOf(...random.pick([[], [1], [2, 3], [1, 4, 5]]))
        recorder.record(random.pick(snapshots), random.pick(VERDICT_CODES), now, undefined, tags)
        recorded++
        tagged += tags.length
      } else if (dice <= 80) flushes.push(recorder.flush().catch(() => undefined))
      else if (dice <= 88) sink.failure = random.pick(['none', 'before', 'after'])
      else if (dice <= 92) snapshots = keyIds.map(snapshotOf)
      else if (dice <= 96) now += random.pick([1, SECOND, MINUTE, -SECOND])
      else await null
    }
    await Promise.all(flushes)
    sink.failure = 'none'
    await recorder.flush()
    expect(totals(sink)).toEqual({ requests: recorded, minutes: recorded })
    expect(Object.values(tagCounts(sink)).reduce((sum, count) => sum + count, 0)).toBe(tagged)
    expect(recorder.stats).toMatchObject({ waiting: 0, waitingTags: 0 })
  })
})
