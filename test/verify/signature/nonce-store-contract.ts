import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { NonceClaim, NonceStore } from '../../../src/verify/signature/nonce-port.ts'

/** Stores that share what they remember, as the servers of one installation do. */
export interface NonceStoreHarness {
  /** Two at least. */
  readonly stores: readonly [NonceStore, NonceStore, ...NonceStore[]]
  close(): Promise<void>
}

const NOW = Date.parse('2026-11-21T10:00:00Z')

/** What every nonce store does: that a signed request counts once rests on it. */
export function nonceStoreContract(name: string, makeHarness: () => Promise<NonceStoreHarness>): void {
  describe(`${name} as a nonce store`, () => {
    let harness: NonceStoreHarness
    let keyId: string
    beforeEach(async () => {
      harness = await makeHarness()
      keyId = randomUUID()
    })
    afterEach(() => harness.close())

    function claim(nonce: string, changes: Partial<NonceClaim> = {}, store = harness.stores[0]): Promise<boolean> {
      return store.claim({ keyId, nonce, expiresAt: NOW + 300_000, now: NOW, ...changes })
    }

    test('a nonce is accepted once', async () => {
      expect(await claim('n')).toBe(true)
      expect(await claim('n')).toBe(false)
      expect(await claim('n', { now: NOW + 299_999, expiresAt: NOW + 600_000 })).toBe(false)
    })

    test('nonces differ by every character, and by the key', async () => {
      for (const nonce of ['n', 'N', 'n ', ' n', '\\n', "n'--", 'n'.repeat(128)]) expect(await claim(nonce)).toBe(true)
      expect(await claim('n', { keyId: randomUUID() })).toBe(true)
      expect(await claim('N')).toBe(false)
    })

    test('a nonce is accepted again from its expiry on, once', async () => {
      expect(await claim('n')).toBe(true)
      const later = { now: NOW + 300_000, expiresAt: NOW + 600_000 }
      expect(await claim('n', later)).toBe(true)
      expect(await claim('n', later)).toBe(false)
      expect(await claim('n', { ...later, now: NOW })).toBe(false)
    })

    test('of 100 claims of one nonce at once, on all servers, one is accepted', async () => {
      const { stores } = harness
      const claims = Array.from({ length: 100 }, (_, i) => claim('n', {}, stores[i % stores.length] ?? stores[0]))
      expect((await Promise.all(claims)).filter((accepted) => accepted)).toHaveLength(1)
    })

    test('of 100 claims of one expired nonce at once, on all servers, one is accepted', async () => {
      const { stores } = harness
      await claim('n')
      const later = { now: NOW + 400_000, expiresAt: NOW + 700_000 }
      const claims = Array.from({ length: 100 }, (_, i) => claim('n', later, stores[i % stores.length] ?? stores[0]))
      expect((await Promise.all(claims)).filter((accepted) => accepted)).toHaveLength(1)
    })

    test('100 different nonces at once are all accepted, on one server or another once', async () => {
      const { stores } = harness
      const claims = Array.from({ length: 200 }, (_, i) => claim(`n${i >> 1}`, {}, stores[i % 2] ?? stores[0]))
      expect((await Promise.all(claims)).filter((accepted) => accepted)).toHaveLength(100)
    })
  })
}
