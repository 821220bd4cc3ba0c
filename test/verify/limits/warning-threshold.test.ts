import fc from 'fast-check'
import { expect, test } from 'vitest'
import { computeWarningThreshold, isReachedByRefusal } from '../../../src/verify/limits/warning-threshold.ts'

test.each([
  [10, 80, 8],
  [1, 80, 1],
  [3, 80, 3],
  [101, 1, 2],
  [7, 100, 7],
  [2_147_483_647, 100, 2_147_483_647],
  [2_147_483_647, 1, 21_474_837],
])('of a limit of %i with a warning at %i percent, the warning is due at %i units', (limit, percent, units) => {
  expect(computeWarningThreshold(limit, percent)).toBe(units)
})

test('no warning is due without a percentage, and none for a limit that blocks', () => {
  expect(computeWarningThreshold(10, 0)).toBe(0)
  expect(computeWarningThreshold(0, 80)).toBe(0)
})

test('it is the least number of units that is the percentage or more, and within the limit', () => {
  const limit = fc.integer({ min: 1, max: 2 ** 31 - 1 })
  fc.assert(
    fc.property(limit, fc.integer({ min: 1, max: 100 }), (limit, percent) => {
      const units = computeWarningThreshold(limit, percent)
      expect(units * 100).toBeGreaterThanOrEqual(limit * percent)
      expect((units - 1) * 100).toBeLessThan(limit * percent)
      expect(units).toBeLessThanOrEqual(limit)
    }),
  )
})

test.each([
  [100, 41, 80, false],
  [100, 79, 30, false],
  [100, 80, 30, true],
  [100, 80, 101, false],
  [10, 9, 3, true],
  [3, 2, 2, false],
  [0, 0, 1, true],
  [0, 5, 7, true],
])(
  'a limit of %i of which %i are used and a cost of %i that is denied: reached is %s',
  (limit, used, units, isReached) => {
    expect(isReachedByRefusal(limit, used, units)).toBe(isReached)
  },
)
