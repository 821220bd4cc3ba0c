import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { QuotaFlush } from '../../../src/verify/limits/quota-ledger.ts'
import { createQuotaFlusher } from '../../../src/verify/usage/quota-flusher.ts'

/** Time passes only as the test says, for the timers and for the clock. */
beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-03-04T05:06:07.890Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const ROW = {
  scope: 'key',
  subjectId: 'k',
  unit: 'day',
  periodId: '2026-03-04',
  limit: 100,
  warningPercent: 80,
  isRefused: false,
} as const

type Answer = (flush: QuotaFlush) => Promise<void>

function setUp(answer: Answer = async () => undefined) {
  const waiting: number[] = []
  let underWay: QuotaFlush | null = null
  let sequence = 0
  const log: string[] = []
  const sink = {
    answer,
    keepsAlive: 0,
    write: (flush: QuotaFlush): Promise<void> => {
      log.push(`write ${flush.sequence}`)
      return sink.answer(flush)
    },
    async keepAlive() {
      sink.keepsAlive++
    },
  }
  let giveBack: () => Promise<void> = async () => undefined
  const limits = {
    drainDeltas() {
      if (underWay === null && waiting.length > 0) {
        sequence++
        const [delta = 0] = waiting.splice(0, 1)
        underWay = {
          sequence,
          rows: [{ ...ROW, delta }],
        }
      }
      return underWay
    },
    confirmFlush(confirmed: number) {
      log.push(`confirm ${confirmed}`)
      underWay = null
    },
    sweep: () => void log.push('sweep'),
    stop() {
      log.push('stop')
      return giveBack()
    },
  }
  const warnings: string[] = []
  const flusher = createQuotaFlusher({
    limits,
    sink,
    clock: { now: () => Date.now() },
    logger: { warn: (_: unknown, message?: string) => void warnings.push(message ?? '') },
  })
  return {
    flusher,
    sink,
    log,
    warnings,
    count: (delta: number) => waiting.push(delta),
    giveBackBy: (work: () => Promise<void>) => {
      giveBack = work
    },
    writes: () => log.filter((line) => line.startsWith('write')),
  }
}

const never = (): Promise<void> => new Promise(() => undefined)

test('what is counted is written within a second, and swept beside it', async () => {
  const { flusher, log, count } = setUp()
  flusher.start()
  count(3)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(log).toEqual(['sweep', 'write 1', 'confirm 1'])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(log).toEqual(['sweep', 'write 1', 'confirm 1', 'sweep'])
})

test('a flush that fails is written again as it is, before any other, and an outage is logged once', async () => {
  const { flusher, sink, warnings, log, count, writes } = setUp(() => Promise.reject(new Error('away')))
  flusher.start()
  count(1)
  count(2)
  await vi.advanceTimersByTimeAsync(3_000)
  expect(writes()).toEqual(['write 1', 'write 1', 'write 1'])
  sink.answer = async () => undefined
  await vi.advanceTimersByTimeAsync(1_000)
  expect(log.filter((line) => line !== 'sweep').slice(3)).toEqual(['write 1', 'confirm 1', 'write 2', 'confirm 2'])
  expect(warnings).toHaveLength(1)
})

test('one write is under way at a time, and one that hangs is given up and tried again', async () => {
  const { flusher, sink, count, writes } = setUp(never)
  flusher.start()
  count(1)
  await vi.advanceTimersByTimeAsync(5_500)
  expect(writes()).toEqual(['write 1'])
  sink.answer = async () => undefined
  await vi.advanceTimersByTimeAsync(2_000)
  expect(writes()).toEqual(['write 1', 'write 1'])
})

test('a node that writes nothing shows each hour that it is there; one that writes has shown it', async () => {
  const { flusher, sink, count } = setUp()
  flusher.start()
  await vi.advanceTimersByTimeAsync(3_599_000)
  expect(sink.keepsAlive).toBe(0)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(sink.keepsAlive).toBe(1)
  await vi.advanceTimersByTimeAsync(1_800_000)
  count(1)
  await vi.advanceTimersByTimeAsync(1_000)
  await vi.advanceTimersByTimeAsync(3_598_000)
  expect(sink.keepsAlive).toBe(1)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(sink.keepsAlive).toBe(2)
})

test('a stop writes what is left and gives credits back', async () => {
  const { flusher, log, count } = setUp()
  flusher.start()
  count(1)
  await flusher.stop()
  expect(log.toSorted()).toEqual(['confirm 1', 'stop', 'write 1'])
  await vi.advanceTimersByTimeAsync(5_000)
  expect(log).toHaveLength(3)
})

test('a stop that cannot write tries three times, gives credits back all the same, and then says so', async () => {
  const { flusher, log, count, writes } = setUp(() => Promise.reject(new Error('away')))
  count(1)
  await expect(flusher.stop()).rejects.toThrow('away')
  expect(writes()).toHaveLength(3)
  expect(log).toContain('stop')
})

test('a stop does not wait for ever, neither for counts nor for credits', async () => {
  const { flusher, warnings, count, giveBackBy } = setUp(never)
  giveBackBy(never)
  count(1)
  const stopped = expect(flusher.stop()).rejects.toThrow('took too long')
  await vi.advanceTimersByTimeAsync(15_000)
  await stopped
  expect(warnings.some((line) => line.includes('credits are lost'))).toBe(true)
})
