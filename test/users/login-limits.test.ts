import { describe, expect, test } from 'vitest'
import {
  computeDelay,
  decideLogin,
  type LoginFailures,
  type LoginLimits,
  THROTTLE_MS,
} from '../../src/users/login-limits.ts'

const LIMITS: LoginLimits = { windowMs: 900_000, pairFailuresMax: 5, sourceFailuresMax: 50, delayMaxMs: 2000 }
const NOW = new Date('2026-03-04T05:06:07.890Z')
const NONE: LoginFailures = { pairFilledAt: null, accountFailures: 0, sourceFailures: 0, sourceFailedAt: null }
const ago = (ms: number) => new Date(NOW.getTime() - ms)

const decide = (failures: Partial<LoginFailures>) => decideLogin({ ...NONE, ...failures }, LIMITS, NOW)

describe('an attempt', () => {
  test('without failures before it is admitted at once', () => {
    expect(decide({})).toEqual({ kind: 'admit', delayMs: 0 })
  })

  test.each([
    [1, 900],
    [899_000, 1],
    [899_999, 1],
    [600_000, 300],
  ])('on a pair that was filled %i ms ago is refused for %i seconds', (ms, retryAfterSeconds) => {
    expect(decide({ pairFilledAt: ago(ms) })).toMatchObject({ kind: 'refuse', retryAfterSeconds })
  })

  test('from an address with many failures is admitted once in a while', () => {
    const many = { sourceFailures: 50 }
    expect(decide({ ...many, sourceFailedAt: ago(THROTTLE_MS - 1) })).toMatchObject({
      kind: 'refuse',
      retryAfterSeconds: 1,
    })
    expect(decide({ ...many, sourceFailedAt: ago(THROTTLE_MS) })).toMatchObject({ kind: 'admit' })
    expect(decide({ sourceFailures: 49, sourceFailedAt: NOW })).toMatchObject({ kind: 'admit' })
  })

  test('on an account that many guess at is admitted, however many they are', () => {
    expect(decide({ accountFailures: 1_000_000 })).toEqual({ kind: 'admit', delayMs: 2000 })
  })
})

test('the delay begins after ten failures, doubles, and ends at its bound', () => {
  expect([0, 9, 10, 11, 12, 13, 14, 15, 26].map((count) => computeDelay(count, 2000))).toEqual([
    0, 0, 100, 200, 400, 800, 1600, 2000, 2000,
  ])
  expect(computeDelay(26, 0)).toBe(0)
})
