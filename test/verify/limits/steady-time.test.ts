import { expect, test } from 'vitest'
import { SteadyTime } from '../../../src/verify/limits/steady-time.ts'
import { withSeeds } from './seeded-random.ts'

const HOUR_MS = 3_600_000

test('it starts at 0 and runs like the clock', () => {
  const time = new SteadyTime()
  expect(time.observe(1_800_000_000_000)).toBe(0)
  expect(time.observe(1_800_000_000_017)).toBe(17)
  expect(time.observe(1_800_000_090_000)).toBe(90_000)
})

test('it never runs backwards, nor faster than time when the clock is set back, however often', () => {
  withSeeds(100, (random) => {
    const time = new SteadyTime()
    let passedMs = 0
    let clockMs = 1_800_000_000_000
    let last = time.observe(clockMs)
    for (let step = 0; step < 500; step++) {
      const elapsedMs = random.chance(0.5) ? random.int(0, 50) : random.int(0, 30_000)
      passedMs += elapsedMs
      clockMs += elapsedMs
      if (random.chance(0.1)) clockMs -= random.pick([1, 500, 10_000, 60_000, HOUR_MS, 40 * HOUR_MS])
      const now = time.observe(clockMs)
      expect(now).toBeGreaterThanOrEqual(last)
      expect(now).toBeLessThanOrEqual(passedMs)
      last = now
    }
  })
})

test('however often the clock is set back, no more is lost than the gaps before the steps and before the return', () => {
  withSeeds(100, (random) => {
    const time = new SteadyTime()
    let clockMs = 1_800_000_000_000
    let highestMs = clockMs
    let mostLostMs = 0
    let passedMs = 0
    time.observe(clockMs)
    for (let step = 0; step < 500; step++) {
      const elapsedMs = random.int(0, 1000)
      const stepMs = random.chance(0.05) ? random.pick([1, 500, 2000, 10_000, 60_000, HOUR_MS]) : 0
      const isReturn = clockMs < highestMs && clockMs + elapsedMs - stepMs >= highestMs
      passedMs += elapsedMs
      clockMs += elapsedMs - stepMs
      highestMs = Math.max(highestMs, clockMs)
      if (stepMs > 0 || isReturn) mostLostMs += elapsedMs
      expect(time.observe(clockMs)).toBeGreaterThanOrEqual(passedMs - mostLostMs)
    }
  })
})

test('it goes on when the clock is an hour back, instead of standing still for an hour', () => {
  const time = new SteadyTime()
  time.observe(10 * HOUR_MS)
  expect(time.observe(9 * HOUR_MS)).toBe(0)
  expect(time.observe(9 * HOUR_MS + 61_000)).toBe(61_000)
})

test('passing the hour of the step a second time loses no more than the gap between two readings', () => {
  const time = new SteadyTime()
  time.observe(10 * HOUR_MS)
  for (let ms = 0; ms <= 2 * HOUR_MS; ms += 700) time.observe(9 * HOUR_MS + ms)
  expect(time.observe(11 * HOUR_MS)).toBeGreaterThan(2 * HOUR_MS - 700)
})

test('a clock that steps back and returns has not made time pass', () => {
  const time = new SteadyTime()
  time.observe(10 * HOUR_MS)
  time.observe(10 * HOUR_MS - 30_000)
  expect(time.observe(10 * HOUR_MS + 59_000)).toBe(59_000)
})

test('readings from other centuries neither stop it nor overflow the cells of windows', () => {
  const time = new SteadyTime()
  time.observe(0)
  for (let i = 0; i < 100; i++) {
    time.observe(8e15)
    time.observe(-8e15)
  }
  const before = time.observe(-8e15)
  expect(before / 1000).toBeLessThan(2 ** 32)
  expect(time.observe(-8e15 + 1000)).toBe(before + 1000)
})
