import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPeriodicWork } from '../../src/lib/periodic.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('work is done once per interval, also after a run that failed', async () => {
  const failures: unknown[] = []
  let runs = 0
  const work = createPeriodicWork({
    intervalMs: 1_000,
    run: async () => {
      runs++
      throw new Error(`run ${runs}`)
    },
    onFailure: (error) => failures.push(error),
  })
  work.start()
  work.start()
  await vi.advanceTimersByTimeAsync(999)
  expect(runs).toBe(0)
  await vi.advanceTimersByTimeAsync(2_001)
  expect(failures).toEqual([new Error('run 1'), new Error('run 2'), new Error('run 3')])
  await work.stop()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(runs).toBe(3)
})

test('a run that takes long is not joined by another, and a stop waits for it', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let runs = 0
  const work = createPeriodicWork({
    intervalMs: 1_000,
    run: () => {
      runs++
      return promise
    },
    onFailure: () => {},
  })
  work.start()
  await vi.advanceTimersByTimeAsync(3_000)
  expect(runs).toBe(1)
  let isStopped = false
  const stopped = work.stop().then(() => {
    isStopped = true
  })
  await vi.advanceTimersByTimeAsync(0)
  expect(isStopped).toBe(false)
  resolve()
  await stopped
  expect(isStopped).toBe(true)
})
