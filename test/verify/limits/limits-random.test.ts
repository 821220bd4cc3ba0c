import { expect, test } from 'vitest'
import { prepareLimits } from '../../../src/verify/limits/limit-plan.ts'
import type { LimitRule } from '../../../src/verify/limits/limiter.ts'
import { NOTHING_STORED, openLimits } from './limits-harness.ts'
import { type Random, withSeeds } from './seeded-random.ts'

interface Admission {
  /** Time that really passed, however the clock was set. */
  readonly passedMs: number
  readonly clockMs: number
  readonly keyId: string
  readonly cost: number
}

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
 * The most that may have been admitted against the rule if `units` are to fit now, and what it was at least counted
 * over.
 */
function usage(
  rule: LimitRule,
  log: readonly Admission[],
  now: Admission,
  slackMs: number,
): { least: number; most: number } {
  const mine = log.filter(({ keyId }) => rule.scope === 'tenant' || keyId === now.keyId)
  const sum = (since: (admission: Admission) => boolean) =>
    mine.filter(since).reduce((total, { cost }) => total + cost, 0)
  if (rule.name === 'day' || rule.name === 'month') {
    const period = rule.calendar[rule.name](now.clockMs)
    const used = sum(({ clockMs }) => rule.calendar[rule.name === 'day' ? 'day' : 'month'](clockMs).id === period.id)
    return { least: used, most: used }
  }
  if (rule.name === 'second') {
    let used = 0
    let least = 0
    let most = 0
    for (const { passedMs, cost } of mine.toReversed()) {
      used += cost
      const elapsedMs = now.passedMs - passedMs
      least = Math.max(least, used - (elapsedMs * rule.ratePerSecond) / 1000)
      most = Math.max(most, used - (Math.max(0, elapsedMs - slackMs) * rule.ratePerSecond) / 1000)
    }
    return { least, most }
  }
  const cellMs = rule.name === 'minute' ? 1000 : 60_000
  return {
    least: sum(({ passedMs }) => passedMs > now.passedMs - 60 * cellMs),
    most: sum(({ passedMs }) => passedMs > now.passedMs - 61 * cellMs - slackMs),
  }
}

test('all limits together, against a log: none is ever exceeded, and no denial is without a limit that explains it', () => {
  withSeeds(60, (random) => {
    const { limits, clock } = openLimits()
    const zone = random.pick(['UTC', 'Europe/Berlin', 'Pacific/Auckland', 'America/St_Johns'])
    clock.nowMs = Date.parse(random.pick(['2026-10-24T20:00:00Z', '2026-01-31T10:00:00Z', '2028-02-28T22:00:00Z']))
    let tenant = randomValues(random)
    const values = { a: randomValues(random), b: randomValues(random) }
    const log: Admission[] = []
    const startMs = clock.nowMs
    let passedMs = 0
    /** Time that steps back of the clock have cost: windows may be longer by that, never shorter. */
    let slackMs = 0
    for (let step = 0; step < 400; step++) {
      const elapsedMs = random.pick([
        0,
        0,
        1,
        random.int(0, 1000),
        random.int(0, 10_000),
        random.chance(0.1) ? 4 * 3_600_000 : 0,
      ])
      passedMs += elapsedMs
      clock.nowMs += elapsedMs
      if (random.chance(0.02)) {
        const stepMs = random.pick([500, 9000, 45_000, 3_600_000])
        clock.nowMs -= Math.min(stepMs, clock.nowMs - startMs)
        slackMs += elapsedMs + stepMs
      }
      // What was admitted while a limit was not in force is not counted by it, so it changes and stays.
      if (random.chance(0.02) && (tenant.perMinute ?? -1) > 0) tenant = { ...tenant, perMinute: random.int(1, 10) }
      const keyId = random.pick(['a', 'b'] as const)
      const plan = prepareLimits({ key: values[keyId], tenant, zone, hasCredits: false })
      if (plan === null) continue
      const subject = { keyId, tenantId: 't' }
      const cost = random.chance(0.8) ? 1 : random.int(0, 6)
      let decision = limits.admit(plan, subject, cost, clock.nowMs)
      if (!(decision instanceof Promise) && decision.outcome === 'unloaded') {
        expect(limits.load(plan, subject, NOTHING_STORED, clock.nowMs)).toBe('loaded')
        decision = limits.admit(plan, subject, cost, clock.nowMs)
      }
      if (decision instanceof Promise) throw new Error('Nothing here waits.')
      const now: Admission = { passedMs, clockMs: clock.nowMs, keyId, cost }
      const before = plan.rules.map((rule) => ({ rule, ...usage(rule, log, now, slackMs) }))
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
