import { expect, test } from 'vitest'
import { type LimitValues, prepareLimits } from '../../../src/verify/limits/limit-plan.ts'

function prepare(key: LimitValues, tenant: LimitValues = {}, hasCredits = false) {
  return prepareLimits({ key, tenant, zone: 'Europe/Berlin', hasCredits })
}

test('nothing limited is no plan at all', () => {
  expect(prepare({})).toBeNull()
  expect(prepare({ perSecond: null, perMinute: -1, perHour: null, perDay: undefined, perMonth: -1 })).toBeNull()
  expect(
    prepare({ perSecond: { ratePerSecond: -1, burst: 5 } }, { perSecond: { ratePerSecond: 5, burst: -1 } }),
  ).toBeNull()
})

test('a plan has a rule for each limit in force, those of the key first', () => {
  const plan = prepare({ perMinute: 5, perDay: 0 }, { perSecond: { ratePerSecond: 2.5, burst: 10 }, perHour: 7 })
  expect(plan?.rules.map(({ scope, name, limit, windowSeconds }) => [scope, name, limit, windowSeconds])).toEqual([
    ['key', 'minute', 5, 60],
    ['key', 'day', 0, 0],
    ['tenant', 'second', 10, 4],
    ['tenant', 'hour', 7, 3600],
  ])
  expect(plan).toMatchObject({ hasKeyRules: true, hasTenantRules: true, hasQuotas: true, hasCredits: false })
})

test('a plan says of each level when a warning is due, and 0 where none is', () => {
  const percents = (key: LimitValues, tenant: LimitValues = {}) =>
    prepare({ perDay: 5, ...key }, { perDay: 9, ...tenant })?.rules.map(({ warningPercent }) => warningPercent)
  expect(percents({ warningPercent: 80 }, { warningPercent: 100 })).toEqual([80, 100])
  expect(percents({ warningPercent: -1 }, { warningPercent: null })).toEqual([0, 0])
  expect(prepare({ warningPercent: 70 }, { warningPercent: 60 }, true)).toMatchObject({ creditWarningPercent: 70 })
  for (const warningPercent of [0, 101, 80.5]) expect(() => prepare({ warningPercent })).toThrow(RangeError)
})

test('credits alone are a plan without rules', () => {
  expect(prepare({}, {}, true)).toMatchObject({ rules: [], hasCredits: true, hasQuotas: false })
})

test('what is no limit or no zone is refused instead of being unlimited', () => {
  for (const perMinute of [-2, 1.5, Number.NaN, 2 ** 31]) expect(() => prepare({ perMinute })).toThrow(RangeError)
  for (const ratePerSecond of [-0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => prepare({ perSecond: { ratePerSecond, burst: 1 } })).toThrow(RangeError)
  }
  expect(() => prepareLimits({ key: {}, tenant: {}, zone: 'Mars/Olympus', hasCredits: false })).toThrow(RangeError)
})
