import { expect, test } from 'vitest'
import { TokenBucket } from '../../../src/verify/limits/token-bucket.ts'
import { makeRule } from './limit-rules.ts'
import { withSeeds } from './seeded-random.ts'

function rule(ratePerSecond: number, burst: number) {
  return makeRule({ perSecond: { ratePerSecond, burst } })
}

function tryTake(bucket: TokenBucket, ratePerSecond: number, burst: number, cost: number, nowMs: number): boolean {
  if (bucket.room(rule(ratePerSecond, burst), nowMs) < cost) return false
  bucket.take(cost)
  return true
}

test('against a log: every interval admits at most burst + what flowed in, and a denial is due to that, whatever is changed', () => {
  withSeeds(80, (random) => {
    const bucket = new TokenBucket()
    const rates = [0, 0.1, 1 / 3, 0.5, 1, 3, 7.7, 10, 1000]
    let rate = random.pick(rates.slice(1))
    let burst = random.int(1, 15)
    /** What has flowed in so far, at the rates that were in force. */
    let flowed = 0
    const admissions: { flowed: number; cost: number }[] = []
    /** By how much the fullest interval that ends then exceeds what has flowed in during it. */
    const fullest = (flowedThen: number) => {
      let sum = 0
      let most = 0
      for (const admission of admissions.toReversed()) {
        sum += admission.cost
        most = Math.max(most, sum - (flowedThen - admission.flowed))
      }
      return most
    }
    let nowMs = random.int(0, 1_000_000)
    for (let step = 0; step < 250; step++) {
      const elapsedMs = random.chance(0.4) ? 0 : random.int(1, Math.ceil(3000 / Math.max(rate, 0.1)))
      nowMs += elapsedMs
      flowed += (elapsedMs * rate) / 1000
      if (random.chance(0.05)) burst = random.int(0, 20)
      if (random.chance(0.05)) rate = random.pick(rates)
      const { limit, ratePerSecond } = rule(rate, burst)
      expect([limit, ratePerSecond]).toEqual([rate === 0 ? 0 : burst, rate])
      const cost = random.chance(0.8) ? 1 : random.int(1, burst + 1)
      const waitMs = bucket.waitMs(rule(rate, burst), cost, nowMs)
      if (tryTake(bucket, rate, burst, cost, nowMs)) {
        admissions.push({ flowed, cost })
        expect(fullest(flowed)).toBeLessThanOrEqual(limit + 1e-6)
        expect(waitMs).toBe(0)
      } else {
        expect(fullest(flowed) + cost).toBeGreaterThan(limit)
        if (cost > limit) expect(waitMs).toBe(Number.POSITIVE_INFINITY)
        else expect(fullest(flowed + (waitMs * rate) / 1000) + cost).toBeCloseTo(limit, 6)
      }
    }
  })
})

test('a unit fits at the millisecond that was announced, for rates that no binary fraction is equal to', () => {
  for (const rate of [0.1, 0.3, 0.7, 1.1, 3.3, 9.9, 10, 33.3, 77.7]) {
    const bucket = new TokenBucket()
    let nowMs = 12_345
    expect(tryTake(bucket, rate, 2, 2, nowMs)).toBe(true)
    for (let i = 0; i < 2000; i++) {
      expect(tryTake(bucket, rate, 2, 1, nowMs)).toBe(false)
      nowMs += Math.ceil(bucket.waitMs(rule(rate, 2), 1, nowMs))
      expect(tryTake(bucket, rate, 2, 1, nowMs)).toBe(true)
    }
    expect(nowMs - 12_345).toBeGreaterThanOrEqual(Math.floor((2000 / rate) * 1000))
  }
})

test('steady traffic at the rate is admitted forever', () => {
  const bucket = new TokenBucket()
  for (let i = 0; i < 100_000; i++) expect(tryTake(bucket, 8, 1, 1, i * 125)).toBe(true)
})

test('the reset is when the next whole token is there, and 0 for a full bucket', () => {
  const bucket = new TokenBucket()
  expect(bucket.resetMs(rule(2, 10), 0)).toBe(0)
  tryTake(bucket, 2, 10, 4, 0)
  expect(bucket.room(rule(2, 10), 0)).toBe(6)
  expect(bucket.resetMs(rule(2, 10), 0)).toBeCloseTo(500, 5)
  expect(bucket.resetMs(rule(2, 10), 300)).toBeCloseTo(200, 5)
  expect(bucket.waitMs(rule(2, 10), 10, 300)).toBeCloseTo(1700, 5)
  expect(bucket.room(rule(2, 10), 2000)).toBe(10)
  expect(bucket.resetMs(rule(2, 10), 2000)).toBe(0)
})

test('a burst that is changed keeps what was spent, a rate that is changed counts from then on', () => {
  const bucket = new TokenBucket()
  tryTake(bucket, 1, 10, 8, 0)
  expect(bucket.room(rule(1, 20), 0)).toBe(12)
  expect(bucket.room(rule(1, 5), 0)).toBe(-3)
  expect(bucket.room(rule(1, 10), 2000)).toBe(4)
  expect(bucket.room(rule(100, 10), 2000)).toBe(4)
  expect(bucket.room(rule(100, 10), 2020)).toBe(6)
  expect(bucket.room(rule(1, 10), 3020)).toBe(10)
})

test('rate 0 and burst 0 block, and never open', () => {
  for (const [rate, burst] of [
    [0, 10],
    [10, 0],
  ] as const) {
    const bucket = new TokenBucket()
    expect(bucket.room(rule(rate, burst), 0)).toBe(0)
    expect(bucket.waitMs(rule(rate, burst), 1, 0)).toBe(Number.POSITIVE_INFINITY)
    expect(bucket.resetMs(rule(rate, burst), 0)).toBe(Number.POSITIVE_INFINITY)
    expect(bucket.room(rule(rate, burst), 1e12)).toBe(0)
  }
})
