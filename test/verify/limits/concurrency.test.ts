import { expect, test } from 'vitest'
import { makePlan, openLimits, TEN } from './limits-harness.ts'
import { MemoryCreditStore } from './memory-credit-store.ts'

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
