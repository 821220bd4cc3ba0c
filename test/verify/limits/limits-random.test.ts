import { expect, test } from 'vitest'
import { prepareLimits } from '../../../src/verify/limits/limit-plan.ts'
import type { LimitRule } from '../../../src/verify/limits/limiter.ts'
import { NOTHING_STORED, openLimits } from './limits-harness.ts'
import { type Random, withSeeds } from './seeded-random.ts'

interface Admission {
  /** Time that really passed, however the clock was set. */
  readonly passedMs: number
  /** What of it limits may not have noticed: gaps between two readings, where the clock was set back or passed that again. */
  readonly lostMs: number
  readonly clockMs: number
  /** Of each limit per second, what had flowed in: at least, and at most. */
  readonly flowed: Readonly<Record<string, { least: number; most: number }>>
  readonly keyId: string
  readonly cost: number
}

type Values = ReturnType<typeof randomValues>

function randomValues(random: Random) {
  const maybe = (limit: number) => (random.chance(0.5) ? limit : random.pick([-1, null, undefined]))
  return {
    perSecond: random.chance(0.3) ? { ratePerSecond: random.pick([0.2, 1, 5]), burst: random.int(1, 8) } : null,
    perMinute: maybe(random.int(1, 10)),
    perHour: maybe(random.int(5, 40)),
    perDay: maybe(random.int(10, 80)),
    perMonth: maybe(random.int(30, 150)),
  }
}

/**
 * The same limits with other values, 0 among them. Which are in force stays: what was admitted while one was not in
 * force is not counted by it.
 */
function changeValues(random: Random, values: Values): Values {
  const change = <T>(limit: T, most: number) =>
    typeof limit === 'number' && limit >= 0 && random.chance(0.5) ? random.pick([0, random.int(1, most)]) : limit
  const { perSecond } = values
  const isChanged = perSecond !== null && random.chance(0.5)
  return {
    perSecond: isChanged ? { ratePerSecond: random.pick([0, 0.2, 1, 5]), burst: random.int(0, 8) } : perSecond,
    perMinute: change(values.perMinute, 10),
    perHour: change(values.perHour, 40),
    perDay: change(values.perDay, 80),
    perMonth: change(values.perMonth, 150),
  }
}

/** The least and the most that the rule may count as used now. */
function usage(rule: LimitRule, log: readonly Admission[], now: Admission): { least: number; most: number } {
  const mine = log.filter(({ keyId }) => rule.scope === 'tenant' || keyId === now.keyId)
  const sum = (since: (admission: Admission) => boolean) =>
    mine.filter(since).reduce((total, { cost }) => total + cost, 0)
  if (rule.name === 'day' || rule.name === 'month') {
    const period = rule.calendar[rule.name](now.clockMs)
    const used = sum(({ clockMs }) => rule.calendar[rule.name === 'day' ? 'day' : 'month'](clockMs).id === period.id)
    return { least: used, most: used }
  }
  if (rule.name === 'second') {
    const bucket = rule.scope === 'tenant' ? 'tenant' : now.keyId
    const flowedNow = flowedOf(now, bucket)
    let used = 0
    let least = 0
    let most = 0
    for (const admission of mine.toReversed()) {
      const flowed = flowedOf(admission, bucket)
      used += admission.cost
      least = Math.max(least, used - (flowedNow.most - flowed.most))
      most = Math.max(most, used - (flowedNow.least - flowed.least))
    }
    return { least, most }
  }
  const cellMs = rule.name === 'minute' ? 1000 : 60_000
  return {
    least: sum(({ passedMs }) => passedMs > now.passedMs - 60 * cellMs),
    most: sum(({ passedMs, lostMs }) => passedMs - lostMs > now.passedMs - now.lostMs - 61 * cellMs),
  }
}

function flowedOf({ flowed }: Admission, bucket: string): { least: number; most: number } {
  return flowed[bucket] ?? { least: 0, most: 0 }
}

test('all limits together, against a log: none is ever exceeded, and no denial is without a limit that explains it', () => {
  withSeeds(60, (random) => {
    const { limits, clock } = openLimits()
    const zone = random.pick(['UTC', 'Europe/Berlin', 'Pacific/Auckland', 'America/St_Johns'])
    clock.nowMs = Date.parse(random.pick(['2026-10-24T20:00:00Z', '2026-01-31T10:00:00Z', '2028-02-28T22:00:00Z']))
    const values = { tenant: randomValues(random), a: randomValues(random), b: randomValues(random) }
    const log: Admission[] = []
    const startMs = clock.nowMs
    const flowed: Record<string, { least: number; most: number }> = {}
    let highestMs = clock.nowMs
    let passedMs = 0
    let lostMs = 0
    for (let step = 0; step < 400; step++) {
      const elapsedMs = random.pick([
        0,
        0,
        1,
        random.int(0, 1000),
        random.int(0, 10_000),
        random.chance(0.1) ? 4 * 3_600_000 : 0,
      ])
      const aheadMs = clock.nowMs + elapsedMs - startMs
      const stepMs = random.chance(0.02) ? Math.min(random.pick([500, 2000, 9000, 45_000, 3_600_000]), aheadMs) : 0
      const isReturn = clock.nowMs < highestMs && clock.nowMs + elapsedMs - stepMs >= highestMs
      const gapMs = stepMs > 0 || isReturn ? elapsedMs : 0
      passedMs += elapsedMs
      lostMs += gapMs
      clock.nowMs += elapsedMs - stepMs
      highestMs = Math.max(highestMs, clock.nowMs)
      for (const [bucket, { perSecond }] of Object.entries(values)) {
        const rate = (perSecond?.ratePerSecond ?? 0) / 1000
        const { least, most } = flowed[bucket] ?? { least: 0, most: 0 }
        flowed[bucket] = { least: least + (elapsedMs - gapMs) * rate, most: most + elapsedMs * rate }
      }
      limits.sweep(clock.nowMs)
      const planOf = (id: 'a' | 'b') =>
        prepareLimits({ key: values[id], tenant: values.tenant, zone, hasCredits: false })
      if (random.chance(0.03)) {
        const changed = random.pick(['tenant', 'a', 'b'] as const)
        values[changed] = changeValues(random, values[changed])
        // A rate that is changed counts from when it is first asked for.
        for (const id of ['a', 'b'] as const) {
          const plan = planOf(id)
          if (plan !== null) limits.admit(plan, { keyId: id, tenantId: 't' }, 0, clock.nowMs)
        }
      }
      const keyId = random.pick(['a', 'b'] as const)
      const plan = planOf(keyId)
      if (plan === null) continue
      const subject = { keyId, tenantId: 't' }
      const cost = random.chance(0.8) ? 1 : random.int(0, 6)
      let decision = limits.admit(plan, subject, cost, clock.nowMs)
      if (!(decision instanceof Promise) && decision.outcome === 'unloaded') {
        expect(limits.load(plan, subject, NOTHING_STORED, clock.nowMs)).toBe('loaded')
        decision = limits.admit(plan, subject, cost, clock.nowMs)
      }
      if (decision instanceof Promise) throw new Error('Nothing here waits.')
      const now: Admission = { passedMs, lostMs, clockMs: clock.nowMs, flowed: { ...flowed }, keyId, cost }
      const before = plan.rules.map((rule) => ({ rule, ...usage(rule, log, now) }))
      const units = Math.max(1, cost)
      if (decision.outcome === 'admitted') {
        log.push(now)
        for (const { rule, least } of before) expect(least + cost).toBeLessThanOrEqual(rule.limit + 1e-6)
        for (const [i, { remaining }] of decision.limits.entries()) {
          expect(remaining).toBeGreaterThanOrEqual(0)
          expect(remaining).toBeLessThanOrEqual(
            (before[i]?.rule.limit ?? 0) - Math.floor((before[i]?.least ?? 0) - 1e-6) - cost,
          )
        }
      } else {
        expect(decision.outcome).toBe('denied')
        if (decision.outcome !== 'denied') continue
        expect(decision.limits.length).toBeGreaterThan(0)
        for (const violated of decision.limits) {
          const rule = before.find(({ rule }) => rule.name === violated.name && rule.scope === violated.scope)
          expect((rule?.most ?? 0) + units).toBeGreaterThan(violated.limit)
          expect(violated.resetSeconds).toBeGreaterThanOrEqual(1)
          expect(decision.retryAfterSeconds).toBeGreaterThanOrEqual(violated.resetSeconds)
        }
      }
    }
  })
})
