import { describe, expect, test } from 'vitest'
import { makePlan, NOTHING_STORED, openLimits, remaining } from './limits-harness.ts'
import { withSeeds } from './seeded-random.ts'

const MINUTE = makePlan({ key: { perMinute: 1 } })
const HOUR = makePlan({ key: { perHour: 1 } })
const DAY = makePlan({ key: { perDay: 10 } })
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
    decide(MINUTE, 1, key(0))
    decide(MINUTE, 1, key(1))
    decide(HOUR, 1, key(2))
    clock.nowMs += 60_000
    expect(decide(MINUTE, 1, key(3)).outcome).toBe('admitted')
    expect(decide(MINUTE, 1, key(4)).outcome).toBe('admitted')
    expect(decide(MINUTE, 1, key(5)).outcome).toBe('unavailable')
    expect(decide(HOUR, 1, key(2)).outcome).toBe('denied')
    expect(limits.sizes.keys).toBe(3)
  })

  test('the keys of one tenant leave places for those of others, and so do those of many', () => {
    const { decide, limits } = openLimits({ keysMax: 90 })
    const count = (tenantId: string) => {
      const keys = Array.from({ length: 100 }, (_, i) => ({ keyId: `${tenantId} ${i}`, tenantId }))
      return keys.filter((who) => decide(MINUTE, 1, who).outcome === 'admitted').length
    }
    expect(count('first')).toBe(80)
    expect(count('second')).toBe(9)
    expect(count('third')).toBe(1)
    expect(limits.sizes.keys).toBe(90)
  })

  test('a quota gives way only when storage has it, and then it must be loaded again', () => {
    const { decide, load, limits } = openLimits({ keysMax: 1 })
    load(DAY, NOTHING_STORED, key(0))
    decide(DAY, 4, key(0))
    expect(load(DAY, NOTHING_STORED, key(1))).toBe('full')
    const flush = limits.drainDeltas()
    expect(load(DAY, NOTHING_STORED, key(1))).toBe('full')
    limits.confirmFlush(flush?.sequence ?? 0)
    expect(load(DAY, { ...NOTHING_STORED, flushSequence: 1 }, key(1))).toBe('loaded')
    expect(decide(DAY, 1, key(0))).toEqual({ outcome: 'unloaded' })
    expect(load(DAY, NOTHING_STORED, key(0))).toBe('stale')
    const day = [{ periodId: '2026-11-21', used: 4 }]
    load(DAY, { flushSequence: 1, key: { day, month: [] }, tenant: { day: [], month: [] } }, key(0))
    expect(remaining(decide(DAY, 1, key(0)))).toEqual([5])
  })

  test('no key is ever admitted beyond its limit, whichever others come and go', () => {
    withSeeds(30, (random) => {
      const { decide, clock, limits } = openLimits({ keysMax: 8, isKeyHeld: () => random.chance(0.3) })
      const lastMs = new Map<number, number>()
      for (let step = 0; step < 1500; step++) {
        clock.nowMs += random.int(0, 8000)
        if (random.chance(0.2)) limits.sweep(clock.nowMs)
        const i = random.int(0, 20)
        const { outcome } = decide(MINUTE, 1, key(i))
        if (outcome !== 'admitted') continue
        expect(clock.nowMs - (lastMs.get(i) ?? 0)).toBeGreaterThanOrEqual(60_000)
        lastMs.set(i, clock.nowMs)
      }
    })
  })
})

describe('when ever new keys come', () => {
  /** Asks 200 keys a second once each, the last `heldCount` of them being held in memory, with a flush each second. */
  function churn(options: { keysMax: number; heldCount: number; sweeps: boolean }) {
    let asked = 0
    const isKeyHeld = (keyId: string) => Number(keyId.slice(4)) >= asked - options.heldCount
    const { decide, load, clock, limits } = openLimits({ keysMax: options.keysMax, isKeyHeld })
    const plan = makePlan({ key: { perMinute: 10, perDay: 10 } })
    let flushed = 0
    let refused = 0
    let most = 0
    for (; asked < 25_000; asked++) {
      const who = key(asked, 'tenant')
      if (load(plan, { ...NOTHING_STORED, flushSequence: flushed }, who) === 'full') refused++
      else expect(decide(plan, 1, who).outcome).toBe('admitted')
      clock.nowMs += 5
      most = Math.max(most, limits.sizes.keys)
      if (asked % 200 > 0) continue
      if (options.sweeps) limits.sweep(clock.nowMs)
      flushed = limits.drainDeltas()?.sequence ?? flushed
      limits.confirmFlush(flushed)
    }
    return { refused, most }
  }

  test('none is refused, though a minute of them is active and they stand together in the table', () => {
    expect(churn({ keysMax: 16_000, heldCount: 0, sweeps: true }).refused).toBe(0)
    expect(churn({ keysMax: 16_000, heldCount: 0, sweeps: false }).refused).toBe(0)
  })

  test('the table holds those that are in memory, those of the last minute, and few more', () => {
    expect(churn({ keysMax: 100_000, heldCount: 18_000, sweeps: true }).most).toBeLessThan(20_500)
  })
})

describe('the sweep', () => {
  test('keeps the limits of a key that is held in memory, however long it was not used', () => {
    const held = new Set(['key 0'])
    const { decide, load, clock, limits } = openLimits({ isKeyHeld: (keyId) => held.has(keyId) })
    load(DAY, NOTHING_STORED, key(0))
    decide(DAY, 4, key(0))
    limits.confirmFlush(limits.drainDeltas()?.sequence ?? 0)
    clock.nowMs += 10 * 3_600_000
    limits.sweep(clock.nowMs)
    expect(remaining(decide(DAY, 1, key(0)))).toEqual([5])
    limits.confirmFlush(limits.drainDeltas()?.sequence ?? 0)
    held.clear()
    limits.sweep(clock.nowMs)
    expect(limits.sizes.keys).toBe(0)
    expect(decide(DAY, 1, key(0))).toEqual({ outcome: 'unloaded' })
  })

  test('forgets a key that is not held once its windows are empty and its quotas are stored, not before', () => {
    const { decide, load, clock, limits } = openLimits()
    const both = makePlan({ key: { perMinute: 10, perDay: 10 }, tenant: { perDay: 10 } })
    load(both)
    decide(both)
    clock.nowMs += 60_000
    limits.sweep(clock.nowMs)
    expect(limits.sizes).toMatchObject({ keys: 1, tenants: 1 })
    limits.confirmFlush(limits.drainDeltas()?.sequence ?? 0)
    limits.sweep(clock.nowMs - 1)
    expect(limits.sizes).toMatchObject({ keys: 0, tenants: 0 })
  })

  test('leaves an active window as it is: the key comes back and finds what it has used', () => {
    const { decide, load, clock, limits } = openLimits()
    const plan = makePlan({ key: { perMinute: 10, perHour: 20, perDay: 30 } })
    load(plan)
    decide(plan, 4)
    clock.nowMs += 10_000
    decide(plan, 5)
    limits.confirmFlush(limits.drainDeltas()?.sequence ?? 0)
    clock.nowMs += 49_999
    limits.sweep(clock.nowMs)
    expect(decide(plan)).toEqual({ outcome: 'unloaded' })
    const day = [{ periodId: '2026-11-21', used: 9 }]
    load(plan, { flushSequence: 1, key: { day, month: [] }, tenant: { day: [], month: [] } })
    expect(remaining(decide(plan, 1))).toEqual([0, 10, 20])
    clock.nowMs += 1
    expect(remaining(decide(plan, 4))).toEqual([0, 6, 16])
  })

  test('frees the windows of a key that was pushed out while it is still active, as they can be many', () => {
    let areHeld = true
    const { decide, clock, limits } = openLimits({ isKeyHeld: () => areHeld })
    for (let i = 0; i < 1000; i++) decide(HOUR, 1, key(i))
    limits.sweep(clock.nowMs)
    expect(limits.sizes).toMatchObject({ keys: 1000, windows: 1000 })
    areHeld = false
    limits.sweep(clock.nowMs)
    expect(limits.sizes).toMatchObject({ keys: 1000, windows: 0 })
    for (let i = 0; i < 1000; i++) expect(decide(HOUR, 1, key(i)).outcome).toBe('denied')
  })
})
