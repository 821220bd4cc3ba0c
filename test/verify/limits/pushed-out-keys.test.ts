import { afterEach, expect, test } from 'vitest'
import type { CreditStore } from '../../../src/verify/limits/credit-lease.ts'
import { keyRecord, newToken } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'
import { MemoryCreditStore } from './memory-credit-store.ts'

const CACHE_KEYS = 10

let fixture: VerifyFixture
afterEach(() => fixture.stop())

async function start(creditStore: CreditStore = new MemoryCreditStore()): Promise<void> {
  fixture = await startVerifyFixture(createMemoryBacking(), { cacheKeys: CACHE_KEYS, creditStore })
}

async function putKey(limits: { perMinute?: number; perDay?: number }): Promise<string> {
  const token = newToken()
  await fixture.put(token, keyRecord({ config: limits }))
  return token
}

async function codeOf(key: string): Promise<unknown> {
  return (await fixture.ask({ key })).body.code
}

/** Asks so many other keys, each once, and another key before each of them. */
async function askOthers(count: number, between = async () => {}): Promise<void> {
  for (let i = 0; i < count; i++) {
    await between()
    expect(await codeOf(await putKey({ perMinute: 10 }))).toBe('VALID')
  }
}

test('a key that was pushed out of memory comes back to the limit that it had used up', async () => {
  await start()
  const key = await putKey({ perMinute: 1 })
  expect(await codeOf(key)).toBe('VALID')
  await askOthers(3 * CACHE_KEYS)
  const reads = fixture.countReads()
  expect(await codeOf(key)).toBe('RATE_LIMITED')
  expect(fixture.countReads()).toBe(reads + 1)
  fixture.clock.advance(60_000)
  expect(await codeOf(key)).toBe('VALID')
})

test('limits of keys that were pushed out take room for a minute, not for as long as there is some', async () => {
  await start()
  for (let minute = 0; minute < 4; minute++) {
    await askOthers(3 * CACHE_KEYS)
    fixture.clock.advance(60_000)
  }
  await askOthers(CACHE_KEYS)
  expect(fixture.dataPlane.limits.sizes.keys).toBeLessThanOrEqual(2 * CACHE_KEYS)
})

test('the counts of a key that is in use stay with it, whatever others come and go: it is not read again', async () => {
  await start()
  const key = await putKey({ perDay: 1000 })
  let asked = 0
  await askOthers(3 * CACHE_KEYS, async () => {
    const reads = fixture.countReads()
    const { body } = await fixture.ask({ key })
    expect(body.limits).toMatchObject([{ name: 'day', remaining: 999 - asked }])
    if (asked > 0) expect(fixture.countReads()).toBe(reads)
    asked++
    await fixture.dataPlane.flush()
  })
})

test('a key that is pushed out while it waits for credits is answered all the same', async () => {
  const store = new MemoryCreditStore()
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  await start({
    async lease(request) {
      asked.resolve()
      await answered.promise
      return store.lease(request)
    },
    giveBack: (keyId, returned) => store.giveBack(keyId, returned),
  })
  const record = keyRecord({ config: { perDay: 10 }, hasCredits: true })
  store.create(record.keyId, { amount: 5, refill: null, createdAtMs: 0 })
  const token = newToken()
  await fixture.put(token, record)
  const answer = fixture.ask({ key: token })
  await asked.promise
  fixture.dataPlane.cache.evictKey(record.keyId)
  await askOthers(CACHE_KEYS)
  answered.resolve()
  expect((await answer).body).toMatchObject({ code: 'VALID', limits: [{ remaining: 9 }], credits: { remaining: 4 } })
})
