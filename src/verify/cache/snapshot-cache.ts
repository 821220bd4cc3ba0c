import { KeywardError } from '../../errors/keyward-error.ts'
import type { Clock } from '../../lib/clock.ts'
import { withDeadline } from '../../lib/deadline.ts'
import { createSingleFlight } from '../../lib/single-flight.ts'
import type { KeyRecord, KeySource } from '../ports.ts'
import { CACHE_KEYS_DEFAULT } from './cache-size.ts'
import { createEvictionLog, type ReadTicket } from './eviction-log.ts'
import { type KeyHandle, readKeyId } from './key-handle.ts'
import type { CompileSnapshot, KeySnapshot } from './snapshot.ts'
import { type CacheEntry, createSnapshotStore } from './snapshot-store.ts'

/**
 * What verification knows about tokens, kept in memory so that a warm verification asks nobody.
 *
 * A changed key must be seen changed on the next verification. Three things make that true:
 *
 * 1. Evictions. Whoever commits a change evicts afterwards: `evictKey`, `evictTenant`, `evictToken` (also for a *new*
 *    token, which may have been looked up in vain before). A read that began before an eviction is discarded when it ends
 *    and made again (`eviction-log.ts`), so the old state cannot slip in behind the eviction.
 * 2. Trust. When the channel that carries other nodes' evictions falls silent, `distrust` is called: from then on no entry is
 *    used without a fresh read. `trust` ends that; what was read before it is read again before it is used.
 * 3. Age. An entry is refreshed in the background by the first hit after about half its age limit, and not used beyond
 *    the limit.
 *
 *     hit, trusted, young ──▶ use it ─(older than refreshAge)─▶ and refresh behind it
 *     anything else       ──▶ read, together with whoever asks for the same token
 *                                ├─ answered          ──▶ use the new state
 *                                └─ no answer          ──▶ known before and read at most staleMaxMs ago: use that, marked
 *                                                          stale; otherwise UNAVAILABLE, never "not found"
 *
 * An evicted entry is gone, also for the stale path: a revoked key does not return because the database went away.
 */
export interface SnapshotCache {
  /** What may be used right now without waiting; undefined when `load` must be awaited. */
  peek(handle: KeyHandle, now: number): CacheEntry | undefined
  /**
   * Reads. Rejects with UNAVAILABLE when no answer can be had that may be relied on, which the last known state is
   * only where `mayUseStale` allows it; absent: always.
   */
  load(handle: KeyHandle, now: number, mayUseStale?: MayUseStale): Promise<LoadedSnapshot>
  /**
   * Whether a known key was asked about so lately that, were it unknown, the answer would still be in memory. For
   * whoever may not see the key it then is, and otherwise is not.
   */
  wasAskedLately(entry: CacheEntry, now: number): boolean
  /** Notes that somebody asks just now, in case the key is known. */
  noteAsked(handle: KeyHandle, now: number): void
  /** Whether anything is in memory for the key, however old. */
  holdsKey(keyId: string): boolean
  holdsTenant(tenantId: string): boolean
  evictKey(keyId: string): void
  evictTenant(tenantId: string): void
  evictToken(handle: KeyHandle): void
  /** Forgets every look-up that was in vain: cheaper to say than the hashes of thousands of imported tokens. */
  evictUnknown(): void
  evictAll(): void
  distrust(): void
  trust(): void
  readonly stats: SnapshotCacheStats
}

export type MayUseStale = (snapshot: KeySnapshot | null) => boolean

export interface LoadedSnapshot {
  readonly snapshot: KeySnapshot | null
  readonly stale: boolean
}

/** Counts since the start, and sizes now; read by metrics. */
export interface SnapshotCacheStats {
  reads: number
  readsRepeated: number
  readsFailed: number
  staleServed: number
  readonly readsUnderWay: number
  readonly knownCount: number
  readonly unknownCount: number
}

export interface SnapshotCacheOptions {
  readonly source: KeySource
  readonly compileSnapshot: CompileSnapshot
  /**
   * Takes over what a read found beside the snapshot, as it was at `readAt` or later. False: the read is too old for
   * that, make it again.
   */
  readonly onRead?: (snapshot: KeySnapshot, record: KeyRecord, readAt: number) => boolean
  /** Told of a read that failed with something else than UNAVAILABLE: a mistake, not an outage. */
  readonly onReadFailure?: (error: unknown) => void
  readonly clock: Clock
  /** Lower, and keys in use are read again and again; higher, and the process needs more memory (about 2.5 KB each). */
  readonly knownMax?: number
  readonly unknownMax?: number
  /** How long an entry may be used without being read again, should an eviction ever be lost. */
  readonly ageMaxMs?: number
  /** The same for tokens that nobody knows. */
  readonly unknownAgeMaxMs?: number
  /** How old the last known state may be while the source is unavailable. */
  readonly staleMaxMs?: number
  readonly readDeadlineMs?: number
  /** Reads of different tokens at one time; beyond, callers are told UNAVAILABLE instead of piling up. */
  readonly readsMax?: number
}

/** While the source is down, one request per interval finds out whether it is back; the others do not wait for it. */
const PROBE_INTERVAL_MS = 1000
/** Each further attempt needs an eviction of the same key during the one before: this many in a row is no accident. */
const ATTEMPTS_MAX = 8
const MARKS_MAX = 10_000
/** The generation of what was read without trust: never the current one. */
const UNTRUSTED = 0

export function createSnapshotCache(options: SnapshotCacheOptions): SnapshotCache {
  const { source, clock, compileSnapshot, onRead = () => true, onReadFailure = () => {} } = options
  const { ageMaxMs = 60_000, unknownAgeMaxMs = 10_000, staleMaxMs = 900_000 } = options
  const { readDeadlineMs = 2_000, readsMax = 1_000 } = options
  const store = createSnapshotStore({
    knownMax: options.knownMax ?? CACHE_KEYS_DEFAULT,
    unknownMax: options.unknownMax ?? 50_000,
  })
  const evictions = createEvictionLog({ marksMax: MARKS_MAX })
  const flights = createSingleFlight<KeyHandle, CacheEntry>()
  let generation = 1
  let trusted = true
  let sourceIsDown = false
  let nextProbeAt = 0
  /** Rises when all that is unknown is forgotten. */
  let unknownGeneration = 1

  const stats = {
    reads: 0,
    readsRepeated: 0,
    readsFailed: 0,
    staleServed: 0,
    get readsUnderWay() {
      return evictions.readsUnderWay
    },
    get knownCount() {
      return store.knownCount
    },
    get unknownCount() {
      return store.unknownCount
    },
  }

  function peek(handle: KeyHandle, now: number): CacheEntry | undefined {
    const entry = store.find(handle)
    if (entry === undefined || !trusted || entry.generation !== generation) return undefined
    const age = now - entry.readAt
    // A negative age means that the clock was set back: the entry could then outlive its limit by any time.
    if (age < 0 || age >= (entry.snapshot === null ? unknownAgeMaxMs : ageMaxMs)) return undefined
    if (age >= entry.refreshAge) refreshBehind(entry)
    return entry
  }

  function refreshBehind(entry: CacheEntry): void {
    entry.refreshAge = NEVER
    // A failure changes nothing here: the entry is used until its age limit, and then its user hears of it.
    read(entry.handle).catch(() => undefined)
  }

  function wasAskedLately({ askedAt, askedGeneration }: CacheEntry, now: number): boolean {
    const age = now - askedAt
    return age >= 0 && age < unknownAgeMaxMs && askedGeneration === unknownGeneration
  }

  async function load(handle: KeyHandle, now: number, mayUseStale: MayUseStale = () => true): Promise<LoadedSnapshot> {
    if (sourceIsDown) {
      const lastKnown = findLastKnown(handle, now, mayUseStale)
      if (lastKnown !== null) {
        probe(handle, now)
        return lastKnown
      }
    }
    try {
      return await read(handle)
    } catch (error) {
      const lastKnown = findLastKnown(handle, clock.now(), mayUseStale)
      if (lastKnown === null) throw error
      return lastKnown
    }
  }

  function findLastKnown(handle: KeyHandle, now: number, mayUseStale: MayUseStale): LoadedSnapshot | null {
    const entry = store.peekKnown(handle)
    if (entry === undefined || Math.abs(now - entry.readAt) > staleMaxMs || !mayUseStale(entry.snapshot)) return null
    stats.staleServed++
    return { snapshot: entry.snapshot, stale: true }
  }

  function probe(handle: KeyHandle, now: number): void {
    if (now < nextProbeAt && nextProbeAt - now <= PROBE_INTERVAL_MS) return
    nextProbeAt = now + PROBE_INTERVAL_MS
    read(handle).catch(() => undefined)
  }

  async function read(handle: KeyHandle): Promise<CacheEntry> {
    // Without trust nobody tells of changes during a read, so one that began before this call may be too old for it.
    if (!trusted && flights.isUnderWay(handle)) await joinRead(handle).catch(() => undefined)
    return joinRead(handle)
  }

  async function joinRead(handle: KeyHandle): Promise<CacheEntry> {
    if (flights.size >= readsMax && !flights.isUnderWay(handle)) throw unavailable('Too many reads are under way.')
    return flights.run(handle, () => readUntilSettled(handle))
  }

  async function readUntilSettled(handle: KeyHandle): Promise<CacheEntry> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const ticket = evictions.begin()
      try {
        const entry = await readOnce(handle, ticket)
        if (entry !== null) return entry
      } finally {
        evictions.end(ticket)
      }
      stats.readsRepeated++
    }
    throw unavailable('The key is being changed again and again.')
  }

  /**
   * Null when the read was overtaken by an eviction. From that question to the end nothing is awaited: an eviction comes
   * either before it, and the read is made again, or after it, and removes the entry; and whoever asks after that
   * eviction finds the flight closed.
   */
  async function readOnce(handle: KeyHandle, ticket: ReadTicket): Promise<CacheEntry | null> {
    const readAt = clock.now()
    const readGeneration = trusted ? generation : UNTRUSTED
    const record = await askSource(handle)
    if (evictions.hasEvictedSince(ticket, marksOf(handle, record))) return null
    const snapshot = record === null ? null : compileSnapshot(record)
    if (snapshot !== null && record !== null && !onRead(snapshot, record, readAt)) return null
    const refreshAge = snapshot === null ? NEVER : spreadRefreshAge(handle, ageMaxMs)
    const predecessor = store.peekKnown(handle)
    const entry: CacheEntry = {
      handle,
      snapshot,
      stale: false,
      readAt,
      generation: readGeneration,
      refreshAge,
      askedAt: predecessor?.askedAt ?? Number.NEGATIVE_INFINITY,
      askedGeneration: predecessor?.askedGeneration ?? 0,
      usedLately: false,
    }
    store.put(entry)
    flights.close(handle)
    return entry
  }

  async function askSource(handle: KeyHandle): Promise<KeyRecord | null> {
    stats.reads++
    try {
      const keyId = readKeyId(handle)
      const answer = keyId === null ? source.findByTokenHash(handle) : source.findByKeyId(keyId)
      const record = await withDeadline(answer, readDeadlineMs, () =>
        unavailable('The key source did not answer in time.'),
      )
      sourceIsDown = false
      return record
    } catch (error) {
      stats.readsFailed++
      if (error instanceof KeywardError && error.code === 'UNAVAILABLE') {
        sourceIsDown = true
        nextProbeAt = clock.now() + PROBE_INTERVAL_MS
        throw error
      }
      // A mistake that one key meets, such as a secret that cannot be opened, says nothing about the others.
      onReadFailure(error)
      throw unavailable('The key source failed.', error)
    }
  }

  return {
    peek,
    load,
    holdsKey: store.holdsKey,
    holdsTenant: store.holdsTenant,
    wasAskedLately,
    noteAsked(handle, now) {
      const entry = store.peekKnown(handle)
      if (entry === undefined) return
      entry.askedAt = now
      entry.askedGeneration = unknownGeneration
    },
    stats,
    evictKey(keyId) {
      evictions.note(keyMark(keyId))
      store.removeKey(keyId)
    },
    evictTenant(tenantId) {
      evictions.note(tenantMark(tenantId))
      store.removeTenant(tenantId)
    },
    evictToken(handle) {
      evictions.note(tokenMark(handle))
      store.remove(handle)
    },
    evictUnknown() {
      evictions.noteAll()
      store.removeUnknown()
      unknownGeneration++
    },
    evictAll() {
      evictions.noteAll()
      store.clear()
    },
    distrust() {
      trusted = false
    },
    trust() {
      if (trusted) return
      trusted = true
      generation++
      // A read that began in the silence may miss what changed in it, and callers who come now would join it.
      evictions.noteAll()
    },
  }
}

function marksOf(handle: KeyHandle, record: KeyRecord | null): readonly string[] {
  if (record === null) return [tokenMark(handle)]
  return [tokenMark(handle), keyMark(record.keyId), tenantMark(record.tenantId)]
}

const keyMark = (keyId: string): string => `key ${keyId}`
const tenantMark = (tenantId: string): string => `tenant ${tenantId}`
const tokenMark = (handle: KeyHandle): string => `token ${handle}`

/** Beyond every age limit, and still a small integer to the engine: other numbers take a place of their own in memory. */
const NEVER = 2 ** 30

/** Between half and three quarters of the limit, by the token: keys that were read together are not refreshed together. */
function spreadRefreshAge(handle: KeyHandle, ageMaxMs: number): number {
  const spread = Number.parseInt(handle.slice(-4), 16) / 0x1_0000
  return Math.floor(ageMaxMs * (0.5 + 0.25 * spread))
}

function unavailable(detail: string, cause?: unknown): KeywardError {
  return new KeywardError('UNAVAILABLE', detail, { retryAfterSeconds: 1, cause })
}
