import { expect, test } from 'vitest'
import { type LimitPlan, prepareLimits } from '../../../src/verify/limits/limit-plan.ts'
import { asDenied, KEY, NOTHING_STORED, openLimits } from './limits-harness.ts'
import { type Random, withSeeds } from './seeded-random.ts'

interface Request {
  readonly atMs: number
  readonly cost: number
}

function randomValues(random: Random) {
  const maybe = (limit: number) => (random.chance(0.5) ? limit : -1)
  return {
    perSecond: random.chance(0.4)
      ? { ratePerSecond: random.pick([0.2, 1 / 3, 1, 5, 7.7]), burst: random.int(1, 8) }
      : null,
    perMinute: maybe(random.int(1, 10)),
    perHour: maybe(random.int(5, 40)),
    perDay: maybe(random.int(10, 80)),
    perMonth: maybe(random.int(30, 150)),
  }
}

/** New limits that have seen these requests: what is asked of them leaves no trace in others. */
function replay(plan: LimitPlan, startMs: number, requests: readonly Request[]) {
  const { limits, clock, load, decide } = openLimits()
  clock.nowMs = startMs
  load(plan, NOTHING_STORED)
  for (const { atMs, cost } of requests) {
    clock.nowMs = atMs
    decide(plan, cost)
  }
  return (atMs: number, cost: number) => {
    const decision = limits.admit(plan, KEY, cost, atMs)
    if (decision instanceof Promise) throw new Error('Nothing here waits.')
    return decision
  }
}

test('a denied request is admitted after Retry-After and not a second earlier, and each limit has one more unit at its reset', () => {
  withSeeds(60, (random) => {
    const zone = random.pick(['UTC', 'Europe/Berlin', 'Pacific/Auckland', 'America/St_Johns'])
    const startMs = Date.parse(
      random.pick([
        '2026-10-24T20:00:00.123Z',
        '2026-01-31T10:00:00.9Z',
        '2028-02-28T22:00:00.5Z',
        '2026-03-28T22:59:59.999Z',
      ]),
    )
    const plan = prepareLimits({ key: randomValues(random), tenant: randomValues(random), zone, hasCredits: false })
    if (plan === null) return
    const requests: Request[] = []
    let nowMs = startMs
    for (let step = 0; step < 40; step++) {
      nowMs += random.pick([0, 1, random.int(0, 1000), random.int(0, 10_000), random.chance(0.1) ? 3_600_000 : 0])
      const cost = random.chance(0.7) ? 1 : random.int(0, 6)
      const decision = replay(plan, startMs, requests)(nowMs, cost)
      const ask = (afterSeconds: number, units: number) =>
        replay(plan, startMs, requests)(nowMs + afterSeconds * 1000, units)
      requests.push({ atMs: nowMs, cost })
      if (decision.outcome === 'admitted') continue
      const { retryAfterSeconds, limits, neverFits } = asDenied(decision)
      if (retryAfterSeconds === null) throw new Error('Without a time to wait.')
      if (neverFits) {
        expect(ask(retryAfterSeconds, cost).outcome).toBe('denied')
        continue
      }
      expect(ask(retryAfterSeconds, cost).outcome).toBe('admitted')
      // It is also no less than any reset shown, which can be later.
      const latestReset = Math.max(...limits.map((limit) => limit.resetSeconds))
      if (retryAfterSeconds > latestReset) expect(ask(retryAfterSeconds - 1, cost).outcome).toBe('denied')
      for (const { name, scope, remaining, resetSeconds } of limits) {
        const later = ask(resetSeconds, remaining + 1)
        const violated = later.outcome === 'denied' ? later.limits : []
        expect(violated.filter((limit) => limit.name === name && limit.scope === scope)).toEqual([])
      }
    }
  })
})
