import { describe, expect, test } from 'vitest'
import { formatRateLimit } from '../../../src/verify/limits/rate-limit-headers.ts'
import { asDenied, KEY, makePlan, openLimits, remaining, START_MS } from './limits-harness.ts'
import { MemoryCreditStore } from './memory-credit-store.ts'

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
    expect(asDenied(await ask(plan, 5))).toMatchObject({ code: 'CREDITS_EXHAUSTED', creditsRemaining: 4 })
    expect(remaining(await ask(plan, 3))).toEqual([7, 7])
    expect(asDenied(await ask(plan, 8))).toMatchObject({ code: 'RATE_LIMITED', creditsRemaining: 1 })
    await limits.stop()
    expect(store.stored('key')).toBe(1)
  })

  test('a denial by credits shows what the limits have left, all of them', async () => {
    const store = new MemoryCreditStore()
    store.create('key', { amount: 3, refill: null, createdAtMs: 0 })
    const { ask, load, clock } = openLimits({ creditStore: store })
    const plan = makePlan({ key: { perMinute: 10 }, tenant: { perDay: 100 }, hasCredits: true })
    load(plan)
    await ask(plan, 3)
    clock.nowMs += 20_000
    expect(asDenied(await ask(plan))).toMatchObject({
      code: 'CREDITS_EXHAUSTED',
      retryAfterSeconds: null,
      limits: [
        { name: 'minute', scope: 'key', limit: 10, remaining: 7, resetSeconds: 40, windowSeconds: 60 },
        {
          name: 'day',
          scope: 'tenant',
          limit: 100,
          remaining: 97,
          resetSeconds: 12 * 3600 - 20,
          windowSeconds: 86_400,
        },
      ],
    })
  })

  test('a denial by a limit waits for the refill too when the credits are used up, and says so when none is due', async () => {
    const store = new MemoryCreditStore()
    store.create('refilled', { amount: 1, refill: { amount: 5, every: 'DAY' }, createdAtMs: START_MS })
    store.create('spent', { amount: 1, refill: null, createdAtMs: 0 })
    const { ask, clock } = openLimits({ creditStore: store })
    const plan = makePlan({ key: { perMinute: 1 }, hasCredits: true })
    for (const keyId of ['refilled', 'spent']) await ask(plan, 1, { ...KEY, keyId })
    const spent = asDenied(await ask(plan, 1, { ...KEY, keyId: 'spent' }))
    expect(spent).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 60, creditsRemaining: 0 })
    expect(spent.detail).toBe(
      'The limit of 1 per minute is reached. No credits are left. No refill that is enough is due.',
    )
    const refilled = asDenied(await ask(plan, 1, { ...KEY, keyId: 'refilled' }))
    expect(refilled).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 12 * 3600, creditsRemaining: 0 })
    expect(refilled.detail).toBe('The limit of 1 per minute is reached. No credits are left.')
    clock.nowMs += 12 * 3_600_000 - 1000
    expect(asDenied(await ask(plan, 1, { ...KEY, keyId: 'refilled' })).code).toBe('CREDITS_EXHAUSTED')
    clock.nowMs += 1000
    expect((await ask(plan, 1, { ...KEY, keyId: 'refilled' })).outcome).toBe('admitted')
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
