import { expect, test } from 'vitest'
import { asDenied, makePlan, openLimits, remaining, TEN } from './limits-harness.ts'

test('an admission shows what is left and when more fits', () => {
  const { decide, clock } = openLimits()
  const plan = makePlan({ key: { perMinute: 100 } })
  decide(plan)
  clock.nowMs += 18_000
  expect(decide(plan)).toEqual({
    outcome: 'admitted',
    limits: [{ name: 'minute', scope: 'key', limit: 100, remaining: 98, resetSeconds: 42, windowSeconds: 60 }],
    creditsRemaining: null,
  })
})

test('a denial says when the cost fits, and then it fits', () => {
  const { decide, clock } = openLimits()
  const plan = makePlan({ key: { perMinute: 5 } })
  decide(plan, 2)
  clock.nowMs += 10_000
  decide(plan, 3)
  const denial = asDenied(decide(plan, 4))
  expect(denial).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 60, resetSeconds: 50, neverFits: false })
  expect(denial.limits).toEqual([
    { name: 'minute', scope: 'key', limit: 5, remaining: 0, resetSeconds: 50, windowSeconds: 60 },
  ])
  expect(denial.detail).toBe('The limit of 5 per minute is reached.')
  clock.nowMs += 59_999
  expect(decide(plan, 4).outcome).toBe('denied')
  clock.nowMs += 1
  expect(remaining(decide(plan, 4))).toEqual([1])
})

test.each(Object.entries(TEN))(
  'a denial by the limit per %s waits at least a second, and no shorter than it shows',
  (_, values) => {
    const { decide, load, clock } = openLimits()
    const plan = makePlan({ key: values })
    load(plan)
    decide(plan, 10)
    clock.nowMs += 999
    const denial = asDenied(decide(plan))
    expect(denial.resetSeconds).toBeGreaterThanOrEqual(1)
    expect(denial.retryAfterSeconds).toBeGreaterThanOrEqual(denial.resetSeconds ?? 0)
    clock.nowMs += (denial.retryAfterSeconds ?? 0) * 1000
    expect(decide(plan).outcome).toBe('admitted')
  },
)

test.each(Object.entries(TEN))('0 per %s blocks, also a cost of 0, and says so', (name, _) => {
  const { decide, load } = openLimits()
  const zero = {
    second: { perSecond: { ratePerSecond: 5, burst: 0 } },
    minute: { perMinute: 0 },
    hour: { perHour: 0 },
    day: { perDay: 0 },
    month: { perMonth: 0 },
  }
  const plan = makePlan({ key: zero[name as keyof typeof zero] })
  load(plan)
  for (const cost of [0, 1, 5]) {
    const denial = asDenied(decide(plan, cost))
    expect(denial.neverFits).toBe(true)
    expect(denial.retryAfterSeconds).toBeGreaterThanOrEqual(1)
    expect(denial.detail).toBe(`The limit is 0 per ${name}, which blocks every request.`)
  }
})

test.each(Object.entries(TEN))('a cost above the limit per %s is denied as one that can never fit', (name, values) => {
  const { decide, load } = openLimits()
  const plan = makePlan({ key: values })
  load(plan)
  const denial = asDenied(decide(plan, 11))
  expect(denial).toMatchObject({ neverFits: true, limits: [{ name, remaining: 10 }] })
  expect(denial.resetSeconds).toBeGreaterThanOrEqual(1)
  expect(denial.retryAfterSeconds).toBeGreaterThanOrEqual(1)
  expect(denial.detail).toMatch(/can never fit a cost of 11\.$/)
  expect(remaining(decide(plan, 10))).toEqual([0])
})

test.each(Object.entries(TEN))(
  'a cost of 0 consumes nothing of the limit per %s, and is denied when it is reached',
  (_, values) => {
    const { decide, load } = openLimits()
    const plan = makePlan({ key: values })
    load(plan)
    for (let i = 0; i < 30; i++) expect(remaining(decide(plan, 0))).toEqual([10])
    expect(remaining(decide(plan, 10))).toEqual([0])
    expect(asDenied(decide(plan, 0)).retryAfterSeconds).toBe(asDenied(decide(plan, 1)).retryAfterSeconds)
  },
)

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('a cost of %d is refused, not compared', (cost) => {
  expect(() => openLimits().decide(makePlan({ key: TEN.minute }), cost)).toThrow(RangeError)
})
