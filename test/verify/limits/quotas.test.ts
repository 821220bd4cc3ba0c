import { describe, expect, test } from 'vitest'
import type { LimitPlan } from '../../../src/verify/limits/limit-plan.ts'
import { asAdmitted, asDenied, KEY, makePlan, NOTHING_STORED, openLimits, remaining } from './limits-harness.ts'

test('a count that was never loaded is asked for, not taken for 0', () => {
  const { decide } = openLimits()
  expect(decide(makePlan({ key: { perDay: 10 } }))).toEqual({ outcome: 'unloaded' })
  expect(decide(makePlan({ tenant: { perMonth: 10 } }))).toEqual({ outcome: 'unloaded' })
})

test('stored counts go on where they were', () => {
  const { decide, load } = openLimits()
  const plan = makePlan({ key: { perDay: 10, perMonth: 100 }, tenant: { perDay: 1000, perMonth: 10_000 } })
  const stored = (day: number, month: number) => ({
    day: [{ periodId: '2026-11-21', used: day }],
    month: [{ periodId: '2026-11', used: month }],
  })
  expect(load(plan, { flushSequence: 0, key: stored(9, 50), tenant: stored(600, 7000) })).toBe('loaded')
  expect(remaining(decide(plan))).toEqual([0, 49, 399, 2999])
  expect(asDenied(decide(plan))).toMatchObject({ code: 'QUOTA_EXCEEDED', resetSeconds: 12 * 3600 })
})

test('a day ends at midnight of the zone, after 25 hours where the clocks go back', () => {
  const { decide, load, clock } = openLimits()
  const plan = makePlan({ key: { perDay: 3 }, zone: 'Europe/Berlin' })
  clock.nowMs = Date.parse('2026-10-24T22:00:00Z')
  load(plan)
  expect(asAdmitted(decide(plan, 3)).limits).toEqual([
    { name: 'day', scope: 'key', limit: 3, remaining: 0, resetSeconds: 25 * 3600, windowSeconds: 25 * 3600 },
  ])
  clock.nowMs = Date.parse('2026-10-25T22:59:59.999Z')
  expect(asDenied(decide(plan))).toMatchObject({ resetSeconds: 1, retryAfterSeconds: 1 })
  clock.nowMs += 1
  expect(remaining(decide(plan))).toEqual([2])
})

test('a month ends after its last day, from the 31st to the 1st', () => {
  const { decide, load, clock } = openLimits()
  const plan = makePlan({ key: { perMonth: 3 }, zone: 'America/New_York' })
  clock.nowMs = Date.parse('2028-01-31T12:00:00Z')
  load(plan)
  decide(plan, 3)
  const denial = asDenied(decide(plan))
  expect(denial.retryAfterSeconds).toBe(17 * 3600)
  clock.nowMs += 17 * 3_600_000
  const february = asAdmitted(decide(plan))
  expect(february.limits[0]).toMatchObject({ remaining: 2, resetSeconds: 29 * 86_400, windowSeconds: 29 * 86_400 })
})

test('a denied request adds nothing to a flush, an admitted one to exactly one', () => {
  const { decide, load, limits } = openLimits()
  const plan = makePlan({ key: { perDay: 3, warningPercent: 50 }, tenant: { perMonth: 100 } })
  load(plan)
  for (let i = 0; i < 9; i++) decide(plan)
  const flush = limits.drainDeltas()
  expect(flush?.rows).toEqual([
    {
      scope: 'key',
      subjectId: 'key',
      unit: 'day',
      periodId: '2026-11-21',
      delta: 3,
      limit: 3,
      warningPercent: 50,
      isRefused: true,
    },
    {
      scope: 'tenant',
      subjectId: 'tenant',
      unit: 'month',
      periodId: '2026-11',
      delta: 3,
      limit: 100,
      warningPercent: 0,
      isRefused: false,
    },
  ])
  limits.confirmFlush(flush?.sequence ?? 0)
  expect(limits.drainDeltas()).toBeNull()
  expect(limits.sizes.dirtyQuotas).toBe(0)
})

test('another key of the tenant finds the count of the tenant that this one has made and not flushed', () => {
  const { decide, load, clock } = openLimits()
  const plan = makePlan({ tenant: { perDay: 10 } })
  load(plan)
  decide(plan, 6)
  clock.nowMs += 1000
  const other = { ...KEY, keyId: 'other' }
  load(plan, NOTHING_STORED, other)
  expect(remaining(decide(plan, 1, other))).toEqual([3])
})

describe('a denial by a quota', () => {
  const day = { scope: 'key', unit: 'day', delta: 0, isRefused: true }

  function openWith(used: number) {
    const opened = openLimits()
    const stored = { ...NOTHING_STORED, key: { day: [{ periodId: '2026-11-21', used }], month: [] } }
    return {
      ...opened,
      loadFor: (plan: LimitPlan) => opened.load(plan, stored),
      flush() {
        const flush = opened.limits.drainDeltas()
        opened.limits.confirmFlush(flush?.sequence ?? 0)
        return flush?.rows ?? []
      },
    }
  }

  test('is in the next flush and in no other, however often it comes', () => {
    const { decide, loadFor, flush } = openWith(10)
    const plan = makePlan({ key: { perDay: 10 } })
    loadFor(plan)
    for (let i = 0; i < 9; i++) decide(plan)
    expect(flush()).toMatchObject([day])
    for (let i = 0; i < 9; i++) decide(plan)
    expect(flush()).toEqual([])
  })

  test('counts when near the end something is left that is too little', () => {
    const { decide, loadFor, flush } = openWith(8)
    const plan = makePlan({ key: { perDay: 10 } })
    loadFor(plan)
    decide(plan, 5)
    decide(plan, 1)
    expect(flush()).toMatchObject([{ ...day, delta: 1 }])
  })

  test('does not count when much is left that is too little, and the next one near the end does', () => {
    const { decide, loadFor, flush } = openWith(40)
    const plan = makePlan({ key: { perDay: 100 } })
    loadFor(plan)
    decide(plan, 80)
    expect(flush()).toEqual([])
    decide(plan, 40)
    decide(plan, 80)
    expect(flush()).toMatchObject([{ ...day, delta: 40 }])
  })

  test('counts for the limit that denied only, and not for a lower one that comes and admits before the flush', () => {
    const { decide, loadFor, flush } = openWith(80)
    const plan = makePlan({ key: { perDay: 100 } })
    loadFor(plan)
    decide(plan, 30)
    const lowered = makePlan({ key: { perDay: 90 } })
    decide(lowered, 1)
    expect(flush()).toMatchObject([{ limit: 90, delta: 1, isRefused: false }])
    decide(lowered, 30)
    expect(flush()).toMatchObject([{ ...day, limit: 90 }])
  })

  test('does not count when the cost exceeds the limit itself, unless that is 0', () => {
    const { decide, loadFor, flush } = openWith(0)
    const plan = makePlan({ key: { perDay: 10 } })
    loadFor(plan)
    decide(plan, 11)
    expect(flush()).toEqual([])
    decide(makePlan({ key: { perDay: 0 } }), 11)
    expect(flush()).toMatchObject([{ ...day, limit: 0 }])
  })

  test('counts for each limit that denies, and once more when the limit is raised', () => {
    const { decide, loadFor, flush } = openWith(10)
    const plan = makePlan({ key: { perDay: 10 }, tenant: { perDay: 100, perMonth: 0 } })
    loadFor(plan)
    decide(plan)
    expect(flush()).toMatchObject([day, { scope: 'tenant', unit: 'month', delta: 0, isRefused: true }])
    const raised = makePlan({ key: { perDay: 12 } })
    decide(raised)
    expect(flush()).toMatchObject([{ limit: 12, delta: 1, isRefused: false }])
    decide(raised, 2)
    expect(flush()).toMatchObject([{ ...day, limit: 12 }])
  })

  test('is kept in memory until it is written, and what counts after it is written once', () => {
    const { decide, loadFor, limits, clock } = openWith(8)
    const plan = makePlan({ key: { perDay: 10 } })
    loadFor(plan)
    decide(plan, 5)
    limits.sweep(clock.nowMs)
    expect(limits.sizes).toMatchObject({ keys: 1, dirtyQuotas: 1 })
    decide(plan, 1)
    expect(limits.drainDeltas()?.rows).toMatchObject([{ ...day, delta: 1 }])
    limits.rollbackFlush(1)
    expect(limits.drainDeltas()?.rows).toMatchObject([{ ...day, delta: 1 }])
    limits.confirmFlush(2)
    limits.sweep(clock.nowMs)
    expect(limits.sizes).toMatchObject({ keys: 0, dirtyQuotas: 0 })
  })
})
