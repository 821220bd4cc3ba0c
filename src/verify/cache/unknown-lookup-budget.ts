import { KeywardError } from '../../errors/keyward-error.ts'
import { createLru, type LruEntry } from '../../lib/lru.ts'
import { maySee } from '../decide.ts'
import type { Admit, LookUp } from './find-snapshot.ts'
import type { KeyHandle } from './key-handle.ts'
import type { KeySnapshot, Verifier } from './snapshot.ts'
import type { LoadedSnapshot, SnapshotCache } from './snapshot-cache.ts'

/**
 * How many tokens that nobody knows one verifier may have looked up in the database.
 *
 * Whoever sends random tokens to a customer's API has the customer's verifier ask about each of them. Most never reach
 * the database (a wrong checksum, the cache of unknown tokens), but checksums can be computed and foreign formats have none.
 * Without a budget such a flood would take the connections that other verifiers need.
 *
 * A look-up is paid before it is made and paid back when it finds a key, because only then is it known to have been a
 * fair one. So what is left bounds two things at once: unknown tokens per second, and look-ups under way. A restart with
 * thousands of good keys, all cold, is not slowed: each payment returns within the millisecond that its look-up takes.
 *
 * Not paid back:
 * - A key that the verifier may not see. Otherwise the budget would tell a foreign key from an unknown one. For the same
 *   reason one that is in memory, because its own tenant uses it, is looked up all the same, when an unknown one would be:
 *   it costs as much, takes as long, and fails with the database.
 * - A look-up that failed. A flood that makes the database slow would be given its money back for doing so, and fair
 *   traffic that is short of it afterwards earns with each key that it finds.
 *
 * Who asks for a token while the same verifier's look-up of it is under way pays nothing: they share one statement.
 */
export interface UnknownLookupBudget {
  /** Looks up on the verifier's account. Throws UNAVAILABLE, with the time to wait, when its budget is spent. */
  readonly lookUp: LookUp<Verifier>
  /** Hands out what is in memory, but looks up what the verifier may not see and nobody asked about lately. */
  readonly admit: Admit<Verifier>
  readonly stats: UnknownLookupStats
}

export interface UnknownLookupStats {
  /** Look-ups that were not made because a budget was spent. */
  refused: number
}

export interface UnknownLookupBudgetOptions {
  readonly cache: Pick<SnapshotCache, 'load' | 'wasAskedLately' | 'noteAsked'>
  /** Lower, and a flood at one customer's API hides more of its cold keys; higher, and it costs the database more. */
  readonly ratePerSecond?: number
  /** Also how many look-ups one verifier may have under way. */
  readonly burst?: number
  /** A verifier beyond that takes the place, and the full budget, of one that was not seen lately. */
  readonly verifiersMax?: number
}

export const UNKNOWN_LOOKUPS_PER_SECOND_DEFAULT = 50
export const UNKNOWN_LOOKUPS_BURST_DEFAULT = 500

interface Account extends LruEntry {
  level: number
  /** Until when the level is reckoned. */
  reckonedAt: number
  /** Tokens whose look-up is paid and not finished. */
  readonly underWay: Set<KeyHandle>
}

export function createUnknownLookupBudget(options: UnknownLookupBudgetOptions): UnknownLookupBudget {
  const { cache, verifiersMax = 10_000 } = options
  const { ratePerSecond = UNKNOWN_LOOKUPS_PER_SECOND_DEFAULT, burst = UNKNOWN_LOOKUPS_BURST_DEFAULT } = options
  const accounts = createLru<string, Account>({ entriesMax: verifiersMax })
  const stats = { refused: 0 }

  function findAccount(id: string, now: number): Account {
    const known = accounts.get(id)
    if (known !== undefined) return known
    const account: Account = { level: burst, reckonedAt: now, underWay: new Set(), usedLately: false }
    accounts.set(id, account)
    return account
  }

  function reckon(account: Account, now: number): void {
    // A clock that was set back earns nothing, and goes on earning from where it is now.
    const elapsedMs = Math.max(0, now - account.reckonedAt)
    account.level = Math.min(burst, account.level + (elapsedMs * ratePerSecond) / 1000)
    account.reckonedAt = now
  }

  function load(handle: KeyHandle, now: number, payer: Verifier): Promise<LoadedSnapshot> {
    return cache.load(handle, now, (snapshot) => isKnownTo(payer, snapshot))
  }

  async function lookUpPaid(
    account: Account,
    handle: KeyHandle,
    now: number,
    payer: Verifier,
  ): Promise<LoadedSnapshot> {
    account.underWay.add(handle)
    try {
      const loaded = await load(handle, now, payer)
      cache.noteAsked(handle, now)
      if (isKnownTo(payer, loaded.snapshot)) account.level = Math.min(burst, account.level + 1)
      return loaded
    } finally {
      account.underWay.delete(handle)
    }
  }

  function lookUp(handle: KeyHandle, now: number, payer: Verifier): Promise<LoadedSnapshot> {
    const account = findAccount(payer.id, now)
    if (account.underWay.has(handle)) return load(handle, now, payer)
    reckon(account, now)
    if (account.level < 1) {
      stats.refused++
      throw new KeywardError('UNAVAILABLE', 'The verifier asks about too many tokens that nobody knows.', {
        retryAfterSeconds: Math.ceil((1 - account.level) / ratePerSecond),
      })
    }
    account.level--
    return lookUpPaid(account, handle, now, payer)
  }

  return {
    stats,
    lookUp,
    admit(entry, now, payer) {
      if (entry.snapshot === null || cache.wasAskedLately(entry, now)) return entry
      if (!maySee(payer, entry.snapshot)) return lookUp(entry.handle, now, payer)
      cache.noteAsked(entry.handle, now)
      return entry
    },
  }
}

function isKnownTo(verifier: Verifier, snapshot: KeySnapshot | null): boolean {
  return snapshot !== null && maySee(verifier, snapshot)
}
