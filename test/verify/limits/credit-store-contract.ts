import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { getZoneCalendar } from '../../../src/lib/calendar.ts'
import type { CreditStore, LeaseGrant, LeaseRequest } from '../../../src/verify/limits/credit-lease.ts'
import type { CreditTerms } from './memory-credit-store.ts'

/**
 * A store under test, and the changes of the control plane to it. Each change is committed when its promise resolves.
 */
export interface CreditStoreHarness {
  readonly store: CreditStore
  /** A new key with credits. */
  create(terms: CreditTerms): Promise<string>
  topUp(keyId: string, amount: number): Promise<void>
  set(keyId: string, amount: number): Promise<void>
  stored(keyId: string): Promise<number>
  close(): Promise<void>
}

const TENANT = randomUUID()
const UTC = getZoneCalendar('UTC')
const CREATED_AT_MS = Date.parse('2026-11-21T10:00:00Z')
const PLAIN: CreditTerms = { amount: 10, refill: null, createdAtMs: CREATED_AT_MS }
const DAILY: CreditTerms = { ...PLAIN, refill: { amount: 10, every: 'DAY' } }
const NEXT_DAY_MS = Date.parse('2026-11-22T00:00:00Z')

/** What every credit store does: limits rely on it for never overspending. */
export function creditStoreContract(name: string, makeHarness: () => Promise<CreditStoreHarness>): void {
  describe(`${name} as a credit store`, () => {
    let harness: CreditStoreHarness
    beforeEach(async () => {
      harness = await makeHarness()
    })
    afterEach(() => harness.close())

    function lease(keyId: string, want: number, rest: Partial<LeaseRequest> = {}): Promise<LeaseGrant> {
      return harness.store.lease({
        keyId,
        need: 1,
        want,
        returned: null,
        nowMs: CREATED_AT_MS,
        tenantId: TENANT,
        calendar: UTC,
        warningPercent: 80,
        ...rest,
      })
    }

    test('leased credits have left the store', async () => {
      const keyId = await harness.create(PLAIN)
      expect(await lease(keyId, 4)).toMatchObject({ granted: 4, stored: 6, nextRefillAtMs: null, refillAmount: 0 })
      expect(await harness.stored(keyId)).toBe(6)
    })

    test('a lease is what is left when less than wanted is there, and nothing when less than needed is', async () => {
      const keyId = await harness.create(PLAIN)
      expect(await lease(keyId, 20, { need: 11 })).toMatchObject({ granted: 0, stored: 10 })
      expect(await lease(keyId, 20, { need: 10 })).toMatchObject({ granted: 10, stored: 0 })
      expect(await lease(keyId, 1)).toMatchObject({ granted: 0, stored: 0 })
    })

    test('concurrent leases get each credit once', async () => {
      const keyId = await harness.create({ ...PLAIN, amount: 25 })
      const grants = await Promise.all(Array.from({ length: 40 }, (_, i) => lease(keyId, 1 + (i % 3))))
      expect(grants.reduce((sum, { granted }) => sum + granted, 0)).toBe(25)
      expect(await harness.stored(keyId)).toBe(0)
    })

    test('a key without credits has none to lease', async () => {
      const unknown = '00000000-0000-4000-8000-000000000000'
      expect(await lease(unknown, 5)).toMatchObject({ granted: 0, stored: 0, epoch: 0, nextRefillAtMs: null })
      await harness.store.giveBack(unknown, { amount: 5, epoch: 0 })
      expect(await lease(unknown, 5)).toMatchObject({ granted: 0, stored: 0 })
    })

    test('what is given back can be leased again', async () => {
      const keyId = await harness.create(PLAIN)
      const { epoch } = await lease(keyId, 10)
      await harness.store.giveBack(keyId, { amount: 3, epoch })
      expect(await harness.stored(keyId)).toBe(3)
      expect(await lease(keyId, 5, { returned: { amount: 4, epoch } })).toMatchObject({ granted: 5, stored: 2 })
    })

    test('a top-up adds to what is stored, and leases from before it still come back', async () => {
      const keyId = await harness.create(PLAIN)
      const { epoch } = await lease(keyId, 4)
      await harness.topUp(keyId, 100)
      await harness.store.giveBack(keyId, { amount: 4, epoch })
      expect(await harness.stored(keyId)).toBe(110)
      expect((await lease(keyId, 1)).epoch).toBe(epoch)
    })

    test('setting credits replaces those of outstanding leases too: what comes back of them is dropped', async () => {
      const keyId = await harness.create(PLAIN)
      const { epoch } = await lease(keyId, 4)
      await harness.set(keyId, 50)
      await harness.store.giveBack(keyId, { amount: 2, epoch })
      const next = await lease(keyId, 1, { returned: { amount: 2, epoch } })
      expect(next).toMatchObject({ granted: 1, stored: 49 })
      expect(next.epoch).not.toBe(epoch)
    })

    test('setting credits to what they are voids leases too', async () => {
      const keyId = await harness.create(PLAIN)
      const { epoch } = await lease(keyId, 4)
      await harness.set(keyId, 6)
      await harness.store.giveBack(keyId, { amount: 4, epoch })
      expect(await harness.stored(keyId)).toBe(6)
    })

    test('a refill fills up to its amount once per period, and says when the next one is due', async () => {
      const keyId = await harness.create(DAILY)
      const first = await lease(keyId, 7)
      expect(first).toMatchObject({ granted: 7, stored: 3, nextRefillAtMs: NEXT_DAY_MS, refillAmount: 10 })
      expect(await lease(keyId, 1, { nowMs: NEXT_DAY_MS - 1 })).toMatchObject({ stored: 2 })
      const refilled = await lease(keyId, 1, { nowMs: NEXT_DAY_MS })
      expect(refilled).toMatchObject({ granted: 1, stored: 9, nextRefillAtMs: NEXT_DAY_MS + 86_400_000 })
      expect(refilled.epoch).not.toBe(first.epoch)
      expect(await lease(keyId, 9, { nowMs: NEXT_DAY_MS + 1 })).toMatchObject({ granted: 9, stored: 0 })
      expect(await lease(keyId, 1, { nowMs: NEXT_DAY_MS + 2 })).toMatchObject({ granted: 0, stored: 0 })
    })

    test('a refill adds the rest of a lease that comes with the same request before it fills up', async () => {
      const keyId = await harness.create({ ...DAILY, amount: 12 })
      const { epoch } = await lease(keyId, 5)
      const next = await lease(keyId, 1, { nowMs: NEXT_DAY_MS, returned: { amount: 4, epoch } })
      expect(next).toMatchObject({ granted: 1, stored: 10 })
      expect(next.epoch).toBe(epoch)
    })

    test('what comes back from before a refill that raised the credits is dropped: the refill has replaced it', async () => {
      const keyId = await harness.create(DAILY)
      const { epoch } = await lease(keyId, 5)
      await lease(keyId, 1, { nowMs: NEXT_DAY_MS })
      await harness.store.giveBack(keyId, { amount: 5, epoch })
      expect(await harness.stored(keyId)).toBe(9)
    })

    test('credits above the refill stay as they are', async () => {
      const keyId = await harness.create({ ...DAILY, amount: 30 })
      const { epoch } = await lease(keyId, 5)
      const next = await lease(keyId, 5, { nowMs: NEXT_DAY_MS })
      expect(next).toMatchObject({ granted: 5, stored: 20, epoch })
      await harness.store.giveBack(keyId, { amount: 5, epoch })
      expect(await harness.stored(keyId)).toBe(25)
    })

    test('concurrent leases at the start of a period refill once', async () => {
      const keyId = await harness.create(DAILY)
      await lease(keyId, 10)
      const requests = Array.from({ length: 30 }, () => lease(keyId, 1, { nowMs: NEXT_DAY_MS }))
      const grants = await Promise.all(requests)
      expect(grants.reduce((sum, { granted }) => sum + granted, 0)).toBe(10)
    })

    test('a node whose clock is behind does not refill again', async () => {
      const keyId = await harness.create(DAILY)
      await lease(keyId, 10)
      await lease(keyId, 10, { nowMs: NEXT_DAY_MS })
      expect(await lease(keyId, 1, { nowMs: NEXT_DAY_MS - 1000 })).toMatchObject({ granted: 0, stored: 0 })
      expect(await lease(keyId, 1, { nowMs: NEXT_DAY_MS + 1000 })).toMatchObject({ granted: 0, stored: 0 })
    })

    test('months and days of a refill are those of the calendar that the lease is asked for with', async () => {
      const terms: CreditTerms = { ...PLAIN, refill: { amount: 10, every: 'MONTH' } }
      const calendar = getZoneCalendar('Asia/Tokyo')
      const keyId = await harness.create(terms)
      const decemberMs = Date.parse('2026-11-30T15:00:00Z')
      expect(await lease(keyId, 10, { calendar })).toMatchObject({ granted: 10, nextRefillAtMs: decemberMs })
      expect(await lease(keyId, 1, { calendar, nowMs: decemberMs - 1 })).toMatchObject({ granted: 0 })
      const next = await lease(keyId, 1, { calendar, nowMs: decemberMs })
      expect(next).toMatchObject({ granted: 1, stored: 9, nextRefillAtMs: Date.parse('2026-12-31T15:00:00Z') })
    })
  })
}
