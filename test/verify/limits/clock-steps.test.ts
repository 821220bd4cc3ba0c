import { expect, test } from 'vitest'
import { makePlan, NOTHING_STORED, openLimits, remaining, START_MS } from './limits-harness.ts'

test.each([1, 2000, 10_000, 10_001, 30_000, 3_600_000, 100 * 86_400_000])(
  'a clock that is set back by %d ms opens no limit and shuts none',
  (stepMs) => {
    const { decide, clock } = openLimits()
    const plan = makePlan({ key: { perMinute: 10 } })
    decide(plan, 10)
    clock.nowMs -= stepMs
    let passedMs = 0
    while (decide(plan).outcome === 'denied') {
      clock.nowMs += 250
      passedMs += 250
    }
    expect(passedMs).toBeGreaterThanOrEqual(60_000)
    expect(passedMs).toBeLessThanOrEqual(60_250)
  },
)

test('a clock that is set back and returns has not made a window pass', () => {
  const { decide, clock } = openLimits()
  const plan = makePlan({ key: { perMinute: 10 } })
  decide(plan, 10)
  for (const offsetMs of [-30_000, 1000, -3_600_000, 30_000, 59_999]) {
    clock.nowMs = START_MS + offsetMs
    expect(decide(plan).outcome).toBe('denied')
  }
  clock.nowMs = START_MS + 60_000
  expect(decide(plan).outcome).toBe('admitted')
})

test('a clock that is set back over midnight finds the count of the old day, and coming back that of the new one', () => {
  const { decide, load, clock } = openLimits()
  const plan = makePlan({ key: { perDay: 10 } })
  const midnight = Date.parse('2026-11-22T00:00:00Z')
  clock.nowMs = midnight - 1000
  load(plan)
  decide(plan, 7)
  clock.nowMs = midnight + 1000
  expect(remaining(decide(plan, 2))).toEqual([8])
  clock.nowMs = midnight - 60_000
  expect(remaining(decide(plan, 1))).toEqual([2])
  clock.nowMs = midnight + 2000
  expect(remaining(decide(plan, 1))).toEqual([7])
})

test('a clock that is set back by months asks storage for the count of then', () => {
  const { decide, load, clock } = openLimits()
  const plan = makePlan({ key: { perMonth: 10 } })
  load(plan)
  decide(plan, 7)
  clock.nowMs = Date.parse('2026-07-01T00:00:00Z')
  expect(decide(plan)).toEqual({ outcome: 'unloaded' })
  load(plan, { ...NOTHING_STORED, key: { day: [], month: [{ periodId: '2026-07', used: 9 }] } })
  expect(remaining(decide(plan))).toEqual([0])
})
