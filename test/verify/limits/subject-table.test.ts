import { describe, expect, test } from 'vitest'
import { makePlan, NOTHING_STORED, openLimits, remaining } from './limits-harness.ts'
import { withSeeds } from './seeded-random.ts'

const MINUTE = makePlan({ key: { perMinute: 1 } })
const key = (i: number, tenantId = `tenant ${i}`) => ({ keyId: `key ${i}`, tenantId })

describe('when the table of keys is full', () => {
  test('a key with an active limit is never forgotten: a new one is refused, and the old ones go on', () => {
    const { decide, clock, limits } = openLimits({ keysMax: 50 })
    for (let i = 0; i < 50; i++) expect(decide(MINUTE, 1, key(i)).outcome).toBe('admitted')
    clock.nowMs += 59_999
    expect(decide(MINUTE, 1, key(50))).toEqual({
      outcome: 'unavailable',
      reason: 'TOO_MANY_LIMITERS',
      retryAfterSeconds: 1,
    })
    for (let i = 0; i < 50; i++) expect(decide(MINUTE, 1, key(i)).outcome).toBe('denied')
    expect(limits.sizes.keys).toBe(50)
  })

  test('keys whose windows are empty give way to new ones, keys with an active window do not', () => {
    const { decide, clock, limits } = openLimits({ keysMax: 3 })
    const hour = makePlan({ key: { perHour: 1 } })
    decide(MINUTE, 1, key(0))
    decide(MINUTE, 1, key(1))
    decide(hour, 1, key(2))
    clock.nowMs += 60_000
    expect(decide(MINUTE, 1, key(3)).outcome).toBe('admitted')
    expect(decide(MINUTE, 1, key(4)).outcome).toBe('admitted')
    expect(decide(MINUTE, 1, key(5)).outcome).toBe('unavailable')
    expect(decide(hour, 1, key(2)).outcome).toBe('denied')
    expect(limits.sizes.keys).toBe(3)
  })

  test('of idle keys the one that was not used for longest gives way', () => {
    const { decide, load, clock, limits } = openLimits({ keysMax: 3 })
    const plan = makePlan({ key: { perDay: 10 } })
    for (let i = 0; i < 3; i++) load(plan, NOTHING_STORED, key(i))
    for (const i of [1, 2, 0]) {
      clock.nowMs += 1000
      decide(plan, 1, key(i))
    }
    limits.confirmFlush(limits.drainDeltas()?.sequence ?? 0)
    load(plan, { ...NOTHING_STORED, flushSequence: 1 }, key(3))
    expect([0, 2, 1].map((i) => decide(plan, 0, key(i)).outcome)).toEqual(['admitted', 'admitted', 'unloaded'])
  })

  test('one tenant cannot take all places', () => {
    const { decide, clock, limits } = openLimits({ keysMax: 20, keysPerTenantMax: 6 })
    for (let i = 100; i < 104; i++) decide(MINUTE, 1, key(i, 'idle'))
    clock.nowMs += 60_000
    const admitted = Array.from({ length: 20 }, (_, i) => decide(MINUTE, 1, key(i, 'greedy')).outcome === 'admitted')
    expect(admitted.filter(Boolean)).toHaveLength(6)
    expect(limits.sizes.keys).toBe(10)
    for (let i = 20; i < 24; i++) expect(decide(MINUTE, 1, key(i, 'modest')).outcome).toBe('admitted')
  })

  test('a quota gives way only when storage has it, and then it must be loaded again', () => {
    const { decide, load, limits } = openLimits({ keysMax: 1 })
    const plan = makePlan({ key: { perDay: 10 } })
    load(plan, NOTHING_STORED, key(0))
    decide(plan, 4, key(0))
    expect(load(plan, NOTHING_STORED, key(1))).toBe('full')
    const flush = limits.drainDeltas()
    expect(load(plan, NOTHING_STORED, key(1))).toBe('full')
    limits.confirmFlush(flush?.sequence ?? 0)
    expect(load(plan, { ...NOTHING_STORED, flushSequence: 1 }, key(1))).toBe('loaded')
    expect(decide(plan, 1, key(0))).toEqual({ outcome: 'unloaded' })
    expect(load(plan, NOTHING_STORED, key(0))).toBe('stale')
    const day = [{ periodId: '2026-11-21', used: 4 }]
    load(plan, { flushSequence: 1, key: { day, month: [] }, tenant: { day: [], month: [] } }, key(0))
    expect(remaining(decide(plan, 1, key(0)))).toEqual([5])
  })

  test('no key is ever admitted beyond its limit, whichever others come and go', () => {
    withSeeds(30, (random) => {
      const { decide, clock } = openLimits({ keysMax: 8, keysPerTenantMax: 8 })
      const lastMs = new Map<number, number>()
      for (let step = 0; step < 1500; step++) {
        clock.nowMs += random.int(0, 8000)
        const i = random.int(0, 20)
        const { outcome } = decide(MINUTE, 1, key(i))
        if (outcome !== 'admitted') continue
        expect(clock.nowMs - (lastMs.get(i) ?? 0)).toBeGreaterThanOrEqual(60_000)
        lastMs.set(i, clock.nowMs)
      }
    })
  })
})

test('the sweep forgets what is idle for hours and keeps what is not', () => {
  const { decide, load, clock, limits } = openLimits()
  const day = makePlan({ key: { perDay: 10 }, tenant: { perDay: 10 } })
  for (let i = 0; i < 100; i++) decide(MINUTE, 1, key(i))
  load(day)
  decide(day)
  clock.nowMs += 3 * 3_600_000
  limits.sweep(clock.nowMs)
  expect(limits.sizes).toMatchObject({ keys: 1, tenants: 1 })
  limits.confirmFlush(limits.drainDeltas()?.sequence ?? 0)
  limits.sweep(clock.nowMs)
  expect(limits.sizes).toMatchObject({ keys: 0, tenants: 0 })
})
