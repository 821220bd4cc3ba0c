import type { TokenHash } from '../keys/token.ts'
import { createLru, type LruEntry } from '../lib/lru.ts'
import type { KeySnapshot } from './snapshot.ts'

/** What was read for one token, and when. */
export interface CacheEntry extends LruEntry {
  readonly tokenHash: TokenHash
  /** Null when the source knows no such token. */
  readonly snapshot: KeySnapshot | null
  /** Never: what is older than its limit is served in another form. */
  readonly stale: false
  /** When the read began, by the clock. */
  readonly readAt: number
  /** The generation of trust in which the read began; see `SnapshotCache.distrust`. */
  readonly generation: number
  /** From this age in milliseconds on, a hit starts a refresh. Set ahead when one starts. */
  refreshAge: number
}

/** The entries, bounded, with the ways to find those that a change concerns. Known and unknown tokens are bounded apart. */
export interface SnapshotStore {
  readonly knownCount: number
  readonly unknownCount: number
  find(tokenHash: TokenHash): CacheEntry | undefined
  /** The entry of a known token without counting as a use. */
  peekKnown(tokenHash: TokenHash): CacheEntry | undefined
  put(entry: CacheEntry): void
  remove(tokenHash: TokenHash): void
  removeKey(keyId: string): void
  removeTenant(tenantId: string): void
  removeUnknown(): void
  clear(): void
}

export interface SnapshotStoreBounds {
  readonly knownMax: number
  readonly unknownMax: number
}

export function createSnapshotStore({ knownMax, unknownMax }: SnapshotStoreBounds): SnapshotStore {
  const known = createLru<TokenHash, CacheEntry>({ entriesMax: knownMax, onEvict: (_, entry) => unlink(entry) })
  // Apart, so that a stranger who tries many tokens pushes out nothing but other failed tries.
  const unknown = createLru<TokenHash, CacheEntry>({ entriesMax: unknownMax })
  const hashesByKey = new Map<string, Set<TokenHash>>()
  const hashesByTenant = new Map<string, Set<TokenHash>>()

  function link({ tokenHash, snapshot }: CacheEntry): void {
    if (snapshot === null) return
    addTo(hashesByKey, snapshot.keyId, tokenHash)
    addTo(hashesByTenant, snapshot.tenantId, tokenHash)
  }

  function unlink({ tokenHash, snapshot }: CacheEntry): void {
    if (snapshot === null) return
    removeFrom(hashesByKey, snapshot.keyId, tokenHash)
    removeFrom(hashesByTenant, snapshot.tenantId, tokenHash)
  }

  function remove(tokenHash: TokenHash): void {
    const entry = known.peek(tokenHash)
    if (entry !== undefined) {
      known.delete(tokenHash)
      unlink(entry)
    }
    unknown.delete(tokenHash)
  }

  function removeEach(tokenHashes: ReadonlySet<TokenHash> | undefined): void {
    for (const tokenHash of [...(tokenHashes ?? [])]) remove(tokenHash)
  }

  return {
    get knownCount() {
      return known.size
    },
    get unknownCount() {
      return unknown.size
    },
    find: (tokenHash) => known.get(tokenHash) ?? unknown.get(tokenHash),
    peekKnown: (tokenHash) => known.peek(tokenHash),
    put(entry) {
      remove(entry.tokenHash)
      if (entry.snapshot === null) unknown.set(entry.tokenHash, entry)
      else known.set(entry.tokenHash, entry)
      link(entry)
    },
    remove,
    removeKey: (keyId) => removeEach(hashesByKey.get(keyId)),
    removeTenant: (tenantId) => removeEach(hashesByTenant.get(tenantId)),
    removeUnknown: () => unknown.clear(),
    clear() {
      known.clear()
      unknown.clear()
      hashesByKey.clear()
      hashesByTenant.clear()
    },
  }
}

function addTo(index: Map<string, Set<TokenHash>>, id: string, tokenHash: TokenHash): void {
  const hashes = index.get(id)
  if (hashes === undefined) index.set(id, new Set([tokenHash]))
  else hashes.add(tokenHash)
}

function removeFrom(index: Map<string, Set<TokenHash>>, id: string, tokenHash: TokenHash): void {
  const hashes = index.get(id)
  if (hashes === undefined) return
  hashes.delete(tokenHash)
  if (hashes.size === 0) index.delete(id)
}
