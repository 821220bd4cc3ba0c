import { KeywardError } from '../../errors/keyward-error.ts'
import type { ClientIp } from '../../http/client-ip.ts'
import type { RequestHead } from '../../http/request-head.ts'
import type { TokenHash } from '../../keys/token.ts'
import type { Clock } from '../../lib/clock.ts'
import { createLru, type LruEntry } from '../../lib/lru.ts'
import { createSemaphore } from '../../lib/semaphore.ts'
import { nameClientNetwork } from '../access/client-network.ts'
import type { LookUp } from '../cache/find-snapshot.ts'
import type { LoadedSnapshot } from '../cache/snapshot-cache.ts'

/**
 * Bounds what strangers who try tokens of verifiers can cost, by the address that they come from.
 *
 *     token in memory, of a live verifier ──▶ in, whatever else came from the address
 *     token not in memory ──▶ looked up: at once while the address has failed seldom, else in the slow lane
 *                                 ├─ a live verifier ──▶ in
 *                                 └─ anything else ────▶ 401, from `failuresMax` in any window on 429 in its place
 *
 * A good verifier is never answered 429, even when it shares its address with a flood and is not in memory: which of two
 * tokens is good shows only when both are looked up. So a suspicious address is not shut out but made to queue. The slow lane
 * makes few look-ups at once for all suspicious addresses together, and what does not fit into its queue, or waits too
 * long in it, is answered 503, which tells a good verifier to come back. It comes through once, and is in memory from then on.
 *
 * Many addresses, each below its limit, find the lane too: look-ups at once are bounded over all of them.
 */
export interface FailedAuthenticationLimit {
  /** Looks up the token of a verifier. Rejects with UNAVAILABLE also when the slow lane is full. */
  readonly lookUp: LookUp<RequestHead>
  /**
   * What to answer when authentication failed with this: UNAUTHENTICATED counts as a failure of the address, and becomes
   * RATE_LIMITED when the address had too many. What became RATE_LIMITED is not counted, so that `Retry-After` stays
   * true. Everything else is returned as it is.
   */
  replace(error: unknown, req: RequestHead, now: number): unknown
  readonly stats: FailedAuthenticationStats
}

export interface FailedAuthenticationStats {
  /** Failures that were answered 429. */
  limited: number
  /** Look-ups that the slow lane refused. */
  refused: number
  readonly addressCount: number
}

export interface FailedAuthenticationLimitOptions {
  /** What asks the source: `SnapshotCache.load`. */
  readonly load: (tokenHash: TokenHash, now: number) => Promise<LoadedSnapshot>
  readonly clientIp: ClientIp
  readonly clock: Clock
  /** Answers of 401 that one address gets in any window. */
  readonly failuresMax?: number
  readonly windowMs?: number
  /** Lower, and an attacker with many addresses is sooner forgotten; higher, and they cost more memory (600 bytes each). */
  readonly addressesMax?: number
}

/** Answers of 401 to one address in a minute. */
export const FAILED_AUTHENTICATIONS_DEFAULT = 60
/** Each failure is remembered for a minute: of 10,000 addresses so many take 80 MB. */
export const FAILED_AUTHENTICATIONS_MAX = 1_000
/** Look-ups outside of the slow lane, over all addresses. Of the reads that the cache allows at once, a small part. */
const FAST_MAX = 64
/** Look-ups in the slow lane at once: of the connections to the database, a few. */
const SLOW_MAX = 4
const WAITING_MAX = 1_000
/** One address leaves room for others. */
const WAITING_PER_ADDRESS_MAX = 250
const WAIT_MAX_MS = 2_000

interface Address extends LruEntry {
  /** When the last failures were that were answered 401. At most `failuresMax`, oldest first. */
  failedAt: readonly number[]
  /** Look-ups under way outside of the lane: each may become a failure. */
  fast: number
  waiting: number
}

export function createFailedAuthenticationLimit(options: FailedAuthenticationLimitOptions): FailedAuthenticationLimit {
  const { load, clientIp, clock, windowMs = 60_000, addressesMax = 10_000 } = options
  const { failuresMax = FAILED_AUTHENTICATIONS_DEFAULT } = options
  const addresses = createLru<string, Address>({ entriesMax: addressesMax })
  /** Tokens that are being read. */
  const underWay = new Set<TokenHash>()
  /** Tokens in the queue of the slow lane. */
  const waiting = new Map<TokenHash, Promise<LoadedSnapshot>>()
  const slowLane = createSemaphore({ concurrentMax: SLOW_MAX, waitingMax: WAITING_MAX })
  let fast = 0

  const stats = {
    limited: 0,
    refused: 0,
    get addressCount() {
      return addresses.size
    },
  }

  function findAddress(req: RequestHead): Address {
    const name = nameClientNetwork(clientIp(req))
    const known = addresses.get(name)
    if (known !== undefined) return known
    const address: Address = { failedAt: [], fast: 0, waiting: 0, usedLately: false }
    addresses.set(name, address)
    return address
  }

  /** A failure in the future is from before the clock was set back: it counts no more, or it might count for years. */
  function countFailures(address: Address, now: number): number {
    address.failedAt = address.failedAt.filter((instant) => instant <= now && now - instant < windowMs)
    return address.failedAt.length
  }

  async function read(tokenHash: TokenHash, now: number): Promise<LoadedSnapshot> {
    underWay.add(tokenHash)
    try {
      return await load(tokenHash, now)
    } finally {
      underWay.delete(tokenHash)
    }
  }

  function lookUpFast(address: Address, tokenHash: TokenHash, now: number): Promise<LoadedSnapshot> {
    fast++
    address.fast++
    return read(tokenHash, now).finally(() => {
      fast--
      address.fast--
    })
  }

  function lookUpSlowly(address: Address, tokenHash: TokenHash, now: number): Promise<LoadedSnapshot> {
    const queued = address.waiting < WAITING_PER_ADDRESS_MAX ? slowLane.run(() => begin(tokenHash, now)) : null
    if (queued === null) throw refuse()
    address.waiting++
    const result = queued.finally(() => address.waiting--)
    // With room in the lane the read has begun already.
    if (!underWay.has(tokenHash)) waiting.set(tokenHash, result)
    return result
  }

  async function begin(tokenHash: TokenHash, queuedAt: number): Promise<LoadedSnapshot> {
    waiting.delete(tokenHash)
    const now = clock.now()
    if (now - queuedAt > WAIT_MAX_MS) throw refuse()
    return read(tokenHash, now)
  }

  function refuse(): KeywardError {
    stats.refused++
    return new KeywardError('UNAVAILABLE', 'Too many tokens of verifiers wait to be looked up.', {
      retryAfterSeconds: 1,
    })
  }

  return {
    stats,
    lookUp(tokenHash, now, req) {
      // The read of a token that waits begins later than this, so it is recent enough for whoever asks now.
      const shared = waiting.get(tokenHash)
      if (shared !== undefined) return shared
      // What is being read costs no further read; whether it is recent enough is the cache's to say.
      if (underWay.has(tokenHash)) return load(tokenHash, now)
      const address = findAddress(req)
      const isSuspicious = countFailures(address, now) + address.fast >= failuresMax
      if (isSuspicious || fast >= FAST_MAX) return lookUpSlowly(address, tokenHash, now)
      return lookUpFast(address, tokenHash, now)
    },
    replace(error, req, now) {
      if (!(error instanceof KeywardError) || error.code !== 'UNAUTHENTICATED') return error
      const address = findAddress(req)
      if (countFailures(address, now) < failuresMax) {
        address.failedAt = [...address.failedAt, now]
        return error
      }
      stats.limited++
      const oldest = address.failedAt[0] ?? now
      return new KeywardError('RATE_LIMITED', 'Too many requests from this address did not show who sends them.', {
        retryAfterSeconds: Math.ceil((oldest + windowMs - now) / 1000),
      })
    },
  }
}
