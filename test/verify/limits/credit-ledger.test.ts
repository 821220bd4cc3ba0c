import { describe, expect, test, vi } from 'vitest'
import { adaptReserve, computeWant } from '../../../src/verify/limits/credit-lease.ts'
import type { LimitDecision } from '../../../src/verify/limits/limit-decision.ts'
import { asAdmitted, asDenied, makePlan, NOTHING_STORED, openLimits, remaining, START_MS } from './limits-harness.ts'
import { type CreditTerms, MemoryCreditStore } from './memory-credit-store.ts'

const PLAN = makePlan({ hasCredits: true })
const TERMS: CreditTerms = { amount: 10, refill: null, createdAtMs: START_MS }

function openCredits(terms: Partial<CreditTerms> = {}, pause?: () => Promise<void>) {
  const store = new MemoryCreditStore(pause)
  store.create('key', { ...TERMS, ...terms })
  return { store, ...openLimits({ creditStore: store }) }
}

/** A pause that lasts until the test opens the gate. */
function openGate() {
  let gate = Promise.withResolvers<void>()
  return {
    pause: () => gate.promise,
    open() {
      gate.resolve()
      gate = Promise.withResolvers<void>()
    },
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await null
}

function countAdmitted(decisions: readonly LimitDecision[]): number {
  return decisions.filter(({ outcome }) => outcome === 'admitted').length
}

describe('spending', () => {
  test('with a lease in hand nothing is awaited', async () => {
    const { ask, decide, store } = openCredits({ amount: 1000 })
    expect(asAdmitted(await ask(PLAN)).creditsRemaining).toBe(999)
    expect(asAdmitted(await ask(PLAN)).creditsRemaining).toBe(998)
    const statements = store.requests.length
    for (let i = 0; i < 16; i++) expect(asAdmitted(decide(PLAN)).creditsRemaining).toBe(997 - i)
    expect(store.requests).toHaveLength(statements)
  })

  test('what remains is true at every step down to the last credit, and then it is denied at once', async () => {
    const { ask, decide, store } = openCredits({ amount: 200 })
    for (let left = 199; left >= 0; left--) expect(asAdmitted(await ask(PLAN)).creditsRemaining).toBe(left)
    expect(asDenied(await ask(PLAN))).toMatchObject({
      code: 'CREDITS_EXHAUSTED',
      creditsRemaining: 0,
      retryAfterSeconds: null,
      detail: 'No credits are left.',
    })
    const statements = store.requests.length
    expect(statements).toBeLessThan(40)
    for (let i = 0; i < 100; i++) expect(asDenied(decide(PLAN)).code).toBe('CREDITS_EXHAUSTED')
    expect(store.requests).toHaveLength(statements)
  })

  test('a cost counts as often, 0 consumes nothing and is denied when nothing is left', async () => {
    const { ask } = openCredits()
    expect(asAdmitted(await ask(PLAN, 0)).creditsRemaining).toBe(10)
    expect(asAdmitted(await ask(PLAN, 7)).creditsRemaining).toBe(3)
    expect(asDenied(await ask(PLAN, 4))).toMatchObject({
      creditsRemaining: 3,
      detail: 'The cost is 4, but 3 credits are left.',
    })
    expect(asAdmitted(await ask(PLAN, 3)).creditsRemaining).toBe(0)
    expect(asDenied(await ask(PLAN, 0)).creditsRemaining).toBe(0)
  })

  test('of costs that wait together, those that fit are admitted', async () => {
    const { ask, store } = openCredits({ amount: 6 })
    const decisions = await Promise.all([ask(PLAN, 5), ask(PLAN, 4), ask(PLAN, 1), ask(PLAN, 1)])
    expect(decisions.map(({ outcome }) => outcome)).toEqual(['admitted', 'denied', 'admitted', 'denied'])
    expect(store.stored('key')).toBe(0)
  })

  test('while a request waits for credits it consumes no limit, and limits are asked again afterwards', async () => {
    const gate = openGate()
    const { ask, load } = openCredits({ amount: 100 }, gate.pause)
    const plan = makePlan({ key: { perMinute: 2, perDay: 100 }, hasCredits: true })
    load(plan, NOTHING_STORED)
    const waiting = Promise.all([ask(plan), ask(plan), ask(plan)])
    await settle()
    expect(remaining(await ask(makePlan({ key: { perMinute: 2, perDay: 100 } }), 1))).toEqual([1, 99])
    for (let i = 0; i < 3; i++) {
      gate.open()
      await settle()
    }
    expect((await waiting).map(({ outcome }) => outcome)).toEqual(['admitted', 'denied', 'denied'])
  })
})

describe('refills', () => {
  const DAILY = { refill: { amount: 10, every: 'DAY' } } as const

  test('a denial waits for the refill that is due, and then it fits', async () => {
    const { ask, clock } = openCredits(DAILY)
    await ask(PLAN, 8)
    expect(asDenied(await ask(PLAN, 4))).toMatchObject({ retryAfterSeconds: 12 * 3600, resetSeconds: 12 * 3600 })
    clock.nowMs += 12 * 3_600_000
    expect(asAdmitted(await ask(PLAN, 4)).creditsRemaining).toBe(6)
  })

  test('a cost above what a refill fills up to has nothing to wait for', async () => {
    const { ask } = openCredits(DAILY)
    expect(asDenied(await ask(PLAN, 11))).toMatchObject({ retryAfterSeconds: null, resetSeconds: 12 * 3600 })
  })

  test('credits leased before a refill do not add to it', async () => {
    const { ask, clock, limits, store } = openCredits({ ...DAILY, amount: 400, refill: { amount: 400, every: 'DAY' } })
    for (let i = 0; i < 5; i++) await ask(PLAN)
    expect(limits.leasedCredits('key')).toBeGreaterThan(0)
    clock.nowMs += 12 * 3_600_000
    expect(asAdmitted(await ask(PLAN)).creditsRemaining).toBe(399)
    await limits.stop()
    expect(store.stored('key')).toBe(399)
  })

  test('leased credits count for what a refill fills up', async () => {
    const { ask, clock, limits } = openCredits({ amount: 410, refill: { amount: 400, every: 'DAY' } })
    for (let i = 0; i < 5; i++) await ask(PLAN)
    expect(limits.leasedCredits('key')).toBeGreaterThan(5)
    clock.nowMs += 12 * 3_600_000
    expect(asAdmitted(await ask(PLAN)).creditsRemaining).toBe(404)
  })

  test('credits above the refill survive it, leased ones too', async () => {
    const { ask, clock, limits, store } = openCredits({ ...DAILY, amount: 400 })
    for (let i = 0; i < 5; i++) await ask(PLAN)
    clock.nowMs += 12 * 3_600_000
    expect(asAdmitted(await ask(PLAN)).creditsRemaining).toBe(394)
    await limits.stop()
    expect(store.stored('key')).toBe(394)
  })
})

describe('revoking a lease', () => {
  test('after a top-up, the next verification sees all of it', async () => {
    const { ask, limits, store } = openCredits()
    await ask(PLAN, 10)
    expect((await ask(PLAN)).outcome).toBe('denied')
    store.topUp('key', 5)
    limits.revokeLease('key')
    expect(asAdmitted(await ask(PLAN)).creditsRemaining).toBe(4)
  })

  test('after setting credits, what was leased before is neither spent nor given back', async () => {
    const { ask, limits, store } = openCredits({ amount: 800 })
    for (let i = 0; i < 4; i++) await ask(PLAN)
    expect(limits.leasedCredits('key')).toBeGreaterThan(0)
    store.set('key', 2)
    limits.revokeLease('key')
    expect(limits.leasedCredits('key')).toBe(0)
    const decisions = await Promise.all(Array.from({ length: 20 }, async () => ask(PLAN)))
    expect(countAdmitted(decisions)).toBe(2)
    await limits.stop()
    expect(store.stored('key')).toBe(0)
  })

  test('is not needed for a change that the next lease tells of: what is left of the lease before is void', async () => {
    const { ask, limits, store } = openCredits({ amount: 800 })
    for (let i = 0; i < 4; i++) await ask(PLAN)
    const left = limits.leasedCredits('key')
    expect(left).toBeGreaterThan(0)
    store.set('key', 20)
    expect(asAdmitted(await ask(PLAN, left + 1)).creditsRemaining).toBe(19 - left)
    await limits.stop()
    expect(store.stored('key')).toBe(19 - left)
  })

  test('a lease that was asked for before and arrives after is given back and not spent', async () => {
    const gate = openGate()
    const { ask, limits, store } = openCredits({ amount: 100 }, gate.pause)
    const waiting = ask(PLAN, 60)
    await settle()
    gate.open()
    await settle()
    expect(store.stored('key')).toBe(40)
    store.set('key', 50)
    limits.revokeLease('key')
    for (let i = 0; i < 6; i++) {
      gate.open()
      await settle()
    }
    expect(asDenied(await waiting)).toMatchObject({ creditsRemaining: 50 })
    expect(store.stored('key')).toBe(50)
  })
})

describe('failures', () => {
  test('a lease that cannot be had is no decision, and consumes nothing', async () => {
    const failures: unknown[] = []
    const { ask, load, limits } = openLimits({
      creditStore: { lease: () => Promise.reject(new Error('down')), giveBack: () => Promise.resolve() },
      onCreditFailure: (_, error) => failures.push(error),
    })
    const plan = makePlan({ key: { perDay: 10 }, hasCredits: true })
    load(plan)
    const decisions = await Promise.all([ask(plan), ask(plan), ask(plan)])
    for (const decision of decisions) {
      expect(decision).toEqual({ outcome: 'unavailable', reason: 'NO_LEASE', retryAfterSeconds: 1 })
    }
    expect(failures).toHaveLength(1)
    expect(limits.drainDeltas()).toBeNull()
  })

  test('nobody waits longer than the deadline, and a lease that arrives later is given back', async () => {
    vi.useFakeTimers()
    try {
      const gate = openGate()
      const { ask, limits, store } = openCredits({}, gate.pause)
      const waiting = ask(PLAN)
      await vi.advanceTimersByTimeAsync(4999)
      gate.open()
      await settle()
      expect(store.stored('key')).toBe(9)
      await vi.advanceTimersByTimeAsync(1)
      expect(await waiting).toMatchObject({ outcome: 'unavailable' })
      for (let i = 0; i < 4; i++) {
        gate.open()
        await settle()
      }
      expect(store.stored('key')).toBe(10)
      expect(limits.leasedCredits('key')).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  test('a lease that could not be given back is reported, lost, and not tried again', async () => {
    const failures: string[] = []
    const store = new MemoryCreditStore()
    store.create('key', { ...TERMS, amount: 800 })
    let attempts = 0
    const { ask, limits } = openLimits({
      creditStore: {
        lease: (request) => store.lease(request),
        giveBack: () => {
          attempts++
          return Promise.reject(new Error('unknown outcome'))
        },
      },
      onCreditFailure: (keyId) => failures.push(keyId),
    })
    for (let i = 0; i < 4; i++) await ask(PLAN)
    await limits.stop()
    expect({ attempts, failures }).toEqual({ attempts: 1, failures: ['key'] })
  })
})

describe('stopping and idling', () => {
  test('a clean stop gives everything back that was not spent, and nothing is leased afterwards', async () => {
    const { ask, limits, store } = openCredits({ amount: 5000 })
    for (let i = 0; i < 37; i++) await ask(PLAN)
    const underWay = ask(PLAN, 4000)
    const statements = store.requests.length
    await limits.stop()
    expect(store.requests).toHaveLength(statements)
    expect(await underWay).toMatchObject({ outcome: 'unavailable' })
    expect(store.stored('key')).toBe(5000 - 37)
    expect(await ask(PLAN)).toMatchObject({ outcome: 'unavailable' })
    expect(store.stored('key')).toBe(5000 - 37)
  })

  test('a lease that is not used goes back, so that other nodes can spend it', async () => {
    const { ask, limits, store, clock } = openCredits({ amount: 5000 })
    for (let i = 0; i < 10; i++) await ask(PLAN)
    clock.nowMs += 29_999
    limits.sweep(clock.nowMs)
    expect(limits.leasedCredits('key')).toBeGreaterThan(0)
    clock.nowMs += 1
    limits.sweep(clock.nowMs)
    await settle()
    expect(store.stored('key')).toBe(4990)
    expect(limits.sizes.leases).toBe(0)
  })

  test('leases of more keys than there is place for go back one by one', async () => {
    const store = new MemoryCreditStore()
    const { limits, clock } = openLimits({ creditStore: store, keysMax: 5 })
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20; i++) {
        if (round === 0) store.create(`key ${i}`, { ...TERMS, amount: 1000 })
        clock.nowMs += 1
        expect((await limits.admit(PLAN, { keyId: `key ${i}`, tenantId: 't' }, 1, clock.nowMs)).outcome).toBe(
          'admitted',
        )
        expect(limits.sizes.leases).toBeLessThanOrEqual(5)
      }
    }
    await limits.stop()
    for (let i = 0; i < 20; i++) expect(store.stored(`key ${i}`)).toBe(997)
  })
})

describe('the size of a lease', () => {
  test('is what is waited for when little is left, and a reserve beside it when there is plenty', () => {
    expect(computeWant(3, 64, 0)).toBe(3)
    expect(computeWant(3, 64, 20)).toBe(3)
    expect(computeWant(3, 64, 80)).toBe(10)
    expect(computeWant(3, 64, 10_000)).toBe(67)
  })

  test('doubles while leases are short-lived, up to a bound, and halves when they last', () => {
    expect(adaptReserve(8, 50)).toBe(16)
    expect(adaptReserve(1024, 50)).toBe(1024)
    expect(adaptReserve(8, 5000)).toBe(8)
    expect(adaptReserve(8, 20_000)).toBe(4)
    expect(adaptReserve(1, 20_000)).toBe(1)
  })
})
