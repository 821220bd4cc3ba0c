import { describe, expect, test } from 'vitest'
import { formatRateLimit } from '../../../src/verify/limits/rate-limit-headers.ts'
import { STRAY_MS } from '../../../src/verify/limits/steady-time.ts'
import {
  asAdmitted,
  asDenied,
  KEY,
  makePlan,
  NOTHING_STORED,
  openLimits,
  remaining,
  START_MS,
} from './limits-harness.ts'
import { MemoryCreditStore } from './memory-credit-store.ts'

const TEN = {
  second: { perSecond: { ratePerSecond: 0.01, burst: 10 } },
  minute: { perMinute: 10 },
  hour: { perHour: 10 },
  day: { perDay: 10 },
  month: { perMonth: 10 },
}

describe('one limit', () => {
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

  test.each(Object.entries(TEN))(
    'a cost above the limit per %s is denied as one that can never fit',
    (name, values) => {
      const { decide, load } = openLimits()
      const plan = makePlan({ key: values })
      load(plan)
      const denial = asDenied(decide(plan, 11))
      expect(denial).toMatchObject({ neverFits: true, limits: [{ name, remaining: 10 }] })
      expect(denial.resetSeconds).toBeGreaterThanOrEqual(1)
      expect(denial.retryAfterSeconds).toBeGreaterThanOrEqual(1)
      expect(denial.detail).toMatch(/can never fit a cost of 11\.$/)
      expect(remaining(decide(plan, 10))).toEqual([0])
    },
  )

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
})

describe('concurrency', () => {
  const scopes = ['key', 'tenant'] as const
  const cases = Object.keys(TEN).flatMap((name) => scopes.map((scope) => ({ name: name as keyof typeof TEN, scope })))

  test.each(cases)(
    'of 1000 concurrent requests, 10 per $name of the $scope admit exactly 10',
    async ({ name, scope }) => {
      const { ask, load } = openLimits()
      const plan = makePlan({ [scope]: TEN[name] })
      load(plan)
      const decisions = await Promise.all(Array.from({ length: 1000 }, async () => ask(plan)))
      expect(decisions.filter(({ outcome }) => outcome === 'admitted')).toHaveLength(10)
      expect(decisions.filter(({ outcome }) => outcome === 'denied')).toHaveLength(990)
    },
  )

  test('of 1000 concurrent requests, 10 credits admit exactly 10, with few statements', async () => {
    const store = new MemoryCreditStore()
    store.create('key', { amount: 10, refill: null, createdAtMs: 0 })
    const { ask } = openLimits({ creditStore: store })
    const plan = makePlan({ hasCredits: true })
    const decisions = await Promise.all(Array.from({ length: 1000 }, async () => ask(plan)))
    expect(decisions.filter(({ outcome }) => outcome === 'admitted')).toHaveLength(10)
    expect(
      decisions.filter((decision) => decision.outcome === 'denied' && decision.code === 'CREDITS_EXHAUSTED'),
    ).toHaveLength(990)
    expect(store.stored('key')).toBe(0)
    expect(store.requests.length).toBeLessThanOrEqual(3)
  })

  test('limits of a key, limits of its tenant and credits together admit the least of them, and each consumes just that', async () => {
    const store = new MemoryCreditStore()
    store.create('key', { amount: 30, refill: null, createdAtMs: 0 })
    const { ask, load, limits } = openLimits({ creditStore: store })
    const plan = makePlan({
      key: { perMinute: 20, perDay: 50 },
      tenant: { perHour: 12, perMonth: 40 },
      hasCredits: true,
    })
    load(plan)
    const decisions = await Promise.all(Array.from({ length: 1000 }, async () => ask(plan)))
    const admitted = decisions.filter((decision) => decision.outcome === 'admitted')
    expect(admitted).toHaveLength(12)
    expect(Math.min(...admitted.map((decision) => decision.creditsRemaining ?? -1))).toBe(18)
    await limits.stop()
    expect(store.stored('key')).toBe(18)
    expect(limits.drainDeltas()?.rows.map(({ scope, unit, delta }) => [scope, unit, delta])).toEqual([
      ['key', 'day', 12],
      ['tenant', 'month', 12],
    ])
  })
})

describe('several limits', () => {
  test('a key and its tenant both apply: A has 1000, B 500, together they have 1200', () => {
    const { decide } = openLimits()
    const tenant = { perMinute: 1200 }
    const planA = makePlan({ key: { perMinute: 1000 }, tenant })
    const planB = makePlan({ key: { perMinute: 500 }, tenant })
    const a = { keyId: 'a', tenantId: 'tenant' }
    const b = { keyId: 'b', tenantId: 'tenant' }
    let admitted = 0
    for (let i = 0; i < 1100; i++) if (decide(planA, 1, a).outcome === 'admitted') admitted++
    expect(admitted).toBe(1000)
    for (let i = 0; i < 600; i++) if (decide(planB, 1, b).outcome === 'admitted') admitted++
    expect(admitted).toBe(1200)
    expect(asDenied(decide(planB, 1, b)).limits.map(({ scope, name }) => [scope, name])).toEqual([['tenant', 'minute']])
    expect(asDenied(decide(planB, 1, b)).detail).toBe(
      "The tenant's limit for all its keys of 1200 per minute is reached.",
    )
  })

  const kinds = ['second', 'minute', 'hour', 'day', 'month'] as const
  const wide = {
    perSecond: { ratePerSecond: 0.001, burst: 100 },
    perMinute: 100,
    perHour: 100,
    perDay: 100,
    perMonth: 100,
  }
  const narrow = {
    second: { perSecond: { ratePerSecond: 0.001, burst: 3 } },
    minute: { perMinute: 3 },
    hour: { perHour: 3 },
    day: { perDay: 3 },
    month: { perMonth: 3 },
  }

  test.each(kinds.flatMap((kind) => [['key', kind] as const, ['tenant', kind] as const]))(
    'a request that the %s is denied per %s consumes nothing of the other nine limits',
    (scope, kind) => {
      const { decide, load } = openLimits()
      const plan = makePlan({ key: wide, tenant: wide, [scope]: { ...wide, ...narrow[kind] } })
      const probe = makePlan({ key: wide, tenant: wide })
      load(plan)
      for (let i = 0; i < 3; i++) expect(decide(plan).outcome).toBe('admitted')
      for (let i = 0; i < 50; i++) {
        expect(asDenied(decide(plan)).limits.map((limit) => [limit.scope, limit.name])).toEqual([[scope, kind]])
      }
      expect(remaining(decide(probe, 0))).toEqual(Array.from({ length: 10 }, () => 97))
    },
  )

  test('a request that has too few credits consumes no limit, and one that is limited no credits', async () => {
    const store = new MemoryCreditStore()
    store.create('key', { amount: 4, refill: null, createdAtMs: 0 })
    const { ask, load, limits } = openLimits({ creditStore: store })
    const plan = makePlan({ key: { perMinute: 10, perDay: 10 }, hasCredits: true })
    load(plan)
    expect(asDenied(await ask(plan, 5))).toMatchObject({ code: 'CREDITS_EXHAUSTED', creditsRemaining: 4, limits: [] })
    expect(remaining(await ask(plan, 3))).toEqual([7, 7])
    expect(asDenied(await ask(plan, 8))).toMatchObject({ code: 'RATE_LIMITED', creditsRemaining: 1 })
    await limits.stop()
    expect(store.stored('key')).toBe(1)
  })

  test('rate limits come before quotas before credits, and the wait is until all of them fit', async () => {
    const { ask, decide, load, clock } = openLimits()
    const key = { perMinute: 2, perDay: 2 }
    const plan = makePlan({ key, hasCredits: true })
    load(plan)
    decide(makePlan({ key }), 2)
    const denial = asDenied(await ask(plan))
    expect(denial).toMatchObject({ code: 'RATE_LIMITED', resetSeconds: 12 * 3600, retryAfterSeconds: 12 * 3600 })
    expect(denial.limits.map(({ name }) => name)).toEqual(['minute', 'day'])
    expect(denial.detail).toBe('The limit of 2 per minute is reached.')
    clock.nowMs += 60_000
    expect(asDenied(await ask(plan))).toMatchObject({ code: 'QUOTA_EXCEEDED', limits: [{ name: 'day' }] })
    clock.nowMs += 12 * 3_600_000
    expect(asDenied(await ask(plan))).toMatchObject({
      code: 'CREDITS_EXHAUSTED',
      retryAfterSeconds: null,
      resetSeconds: null,
    })
  })

  test('a lowered limit that is overdrawn waits for its reset, also for a cost that never fits', () => {
    const { decide } = openLimits()
    decide(makePlan({ key: { perSecond: { ratePerSecond: 1, burst: 100 } } }), 100)
    const denial = asDenied(decide(makePlan({ key: { perSecond: { ratePerSecond: 1, burst: 5 } } }), 6))
    expect(denial).toMatchObject({ neverFits: true, resetSeconds: 96, retryAfterSeconds: 96 })
  })

  test('no wait is shorter than a reset in the RateLimit field of the same denial', () => {
    const { decide, load } = openLimits()
    const plan = makePlan({ key: { perMinute: 2, perHour: 3 }, tenant: { perMonth: 2 } })
    load(plan)
    decide(plan, 2)
    for (const cost of [0, 1, 2, 3, 4]) {
      const denial = asDenied(decide(plan, cost))
      const resets = [...(formatRateLimit(denial.limits)?.rateLimit ?? '').matchAll(/t=(\d+)/g)].map((match) =>
        Number(match[1]),
      )
      expect(resets.length).toBeGreaterThan(0)
      for (const reset of resets) expect(denial.retryAfterSeconds).toBeGreaterThanOrEqual(reset)
    }
  })
})

describe('changes of configuration', () => {
  test('a limit that changes in the middle of a window takes effect at once and keeps the counts', () => {
    const { decide, load } = openLimits()
    const of = (limit: number) => {
      const values = {
        perSecond: { ratePerSecond: 0.001, burst: limit },
        perMinute: limit,
        perHour: limit,
        perDay: limit,
        perMonth: limit,
      }
      return makePlan({ key: values, tenant: values })
    }
    load(of(10))
    decide(of(10), 6)
    expect(asDenied(decide(of(5), 1)).limits).toHaveLength(10)
    expect(remaining(decide(of(20), 4))).toEqual(Array.from({ length: 10 }, () => 10))
    expect(asDenied(decide(of(10), 1)).limits).toHaveLength(10)
    expect(remaining(decide(of(11), 1))).toEqual(Array.from({ length: 10 }, () => 0))
  })

  test('a limit that is added later starts empty, one that is removed no longer counts', () => {
    const { decide } = openLimits()
    decide(makePlan({ key: { perMinute: 10 } }), 10)
    expect(remaining(decide(makePlan({ key: { perHour: 10 } }), 4))).toEqual([6])
    expect(asDenied(decide(makePlan({ key: { perMinute: 10, perHour: 10 } }))).limits.map(({ name }) => name)).toEqual([
      'minute',
    ])
  })
})

describe('a clock that is set back', () => {
  test.each([1, 5000, 30_000, 3_600_000, 100 * 86_400_000])('by %d ms opens no limit and shuts none', (stepMs) => {
    const { decide, clock } = openLimits()
    const plan = makePlan({ key: { perMinute: 10 } })
    decide(plan, 10)
    clock.nowMs -= stepMs
    let passedMs = 0
    while (decide(plan).outcome === 'denied') {
      clock.nowMs += 250
      passedMs += 250
    }
    expect(passedMs).toBeGreaterThanOrEqual(60_000)
    expect(passedMs).toBeLessThanOrEqual(60_250 + Math.min(stepMs, STRAY_MS))
  })

  test('and returns has not made a window pass', () => {
    const { decide, clock } = openLimits()
    const plan = makePlan({ key: { perMinute: 10 } })
    decide(plan, 10)
    for (const offsetMs of [-30_000, 1000, -3_600_000, 30_000, 59_999]) {
      clock.nowMs = START_MS + offsetMs
      expect(decide(plan).outcome).toBe('denied')
    }
    clock.nowMs = START_MS + 60_000
    expect(decide(plan).outcome).toBe('admitted')
  })

  test('over midnight finds the count of the old day, and coming back that of the new one', () => {
    const { decide, load, clock } = openLimits()
    const plan = makePlan({ key: { perDay: 10 } })
    const midnight = Date.parse('2026-11-22T00:00:00Z')
    clock.nowMs = midnight - 1000
    load(plan)
    decide(plan, 7)
    clock.nowMs = midnight + 1000
    expect(remaining(decide(plan, 2))).toEqual([8])
    clock.nowMs = midnight - 60_000
    expect(remaining(decide(plan, 1))).toEqual([2])
    clock.nowMs = midnight + 2000
    expect(remaining(decide(plan, 1))).toEqual([7])
  })

  test('by months asks storage for the count of then', () => {
    const { decide, load, clock } = openLimits()
    const plan = makePlan({ key: { perMonth: 10 } })
    load(plan)
    decide(plan, 7)
    clock.nowMs = Date.parse('2026-07-01T00:00:00Z')
    expect(decide(plan)).toEqual({ outcome: 'unloaded' })
    load(plan, { ...NOTHING_STORED, key: { day: [], month: [{ periodId: '2026-07', used: 9 }] } })
    expect(remaining(decide(plan))).toEqual([0])
  })
})

describe('quotas', () => {
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

  test('a denied request is in no flush, an admitted one in exactly one', () => {
    const { decide, load, limits } = openLimits()
    const plan = makePlan({ key: { perDay: 3 }, tenant: { perMonth: 100 } })
    load(plan)
    for (let i = 0; i < 9; i++) decide(plan)
    const flush = limits.drainDeltas()
    expect(flush?.rows).toEqual([
      { scope: 'key', subjectId: 'key', unit: 'day', periodId: '2026-11-21', delta: 3 },
      { scope: 'tenant', subjectId: 'tenant', unit: 'month', periodId: '2026-11', delta: 3 },
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
})
