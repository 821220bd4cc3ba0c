import { createLru, type LruEntry } from '../../lib/lru.ts'
import type { KeyHandle } from './key-handle.ts'
import type { KeySnapshot } from './snapshot.ts'

/** What was read for one token, and when. */
export interface CacheEntry extends LruEntry {
  readonly handle: KeyHandle
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
  /** When an unknown key, asked about at the same times, would last have been read; see `SnapshotCache.wasAskedLately`. */
  askedAt: number
  askedGeneration: number
}

/** The entries, bounded, with the ways to find those that a change concerns. Known and unknown tokens are bounded apart. */
export interface SnapshotStore {
  readonly knownCount: number
  readonly unknownCount: number
  find(handle: KeyHandle): CacheEntry | undefined
  /** The entry of a known token without counting as a use. */
  peekKnown(handle: KeyHandle): CacheEntry | undefined
  holdsKey(keyId: string): boolean
  holdsTenant(tenantId: string): boolean
  put(entry: CacheEntry): void
  remove(handle: KeyHandle): void
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
  const known = createLru<KeyHandle, CacheEntry>({ entriesMax: knownMax, onEvict: (_, entry) => unlink(entry) })
  // Apart, so that a stranger who tries many tokens pushes out nothing but other failed tries.
  const unknown = createLru<KeyHandle, CacheEntry>({ entriesMax: unknownMax })
  const handlesByKey = new Map<string, HandleOrMore>()
  const handlesByTenant = new Map<string, HandleOrMore>()

  function link({ handle, snapshot }: CacheEntry): void {
    if (snapshot === null) return
    addTo(handlesByKey, snapshot.keyId, handle)
    addTo(handlesByTenant, snapshot.tenantId, handle)
  }

  function unlink({ handle, snapshot }: CacheEntry): void {
    if (snapshot === null) return
    removeFrom(handlesByKey, snapshot.keyId, handle)
    removeFrom(handlesByTenant, snapshot.tenantId, handle)
  }

  function remove(handle: KeyHandle): void {
    const entry = known.peek(handle)
    if (entry !== undefined) {
      known.delete(handle)
      unlink(entry)
    }
    unknown.delete(handle)
  }

  function removeEach(handles: HandleOrMore | undefined): void {
    if (typeof handles === 'string') remove(handles)
    else for (const handle of [...(handles ?? [])]) remove(handle)
  }

  return {
    get knownCount() {
      return known.size
    },
    get unknownCount() {
      return unknown.size
    },
    find: (handle) => known.get(handle) ?? unknown.get(handle),
    peekKnown: (handle) => known.peek(handle),
    holdsKey: (keyId) => handlesByKey.has(keyId),
    holdsTenant: (tenantId) => handlesByTenant.has(tenantId),
    put(entry) {
      remove(entry.handle)
      if (entry.snapshot === null) unknown.set(entry.handle, entry)
      else known.set(entry.handle, entry)
      link(entry)
    },
    remove,
    removeKey: (keyId) => removeEach(handlesByKey.get(keyId)),
    removeTenant: (tenantId) => removeEach(handlesByTenant.get(tenantId)),
    removeUnknown: () => unknown.clear(),
    clear() {
      known.clear()
      unknown.clear()
      handlesByKey.clear()
      handlesByTenant.clear()
    },
  }
}

/** Nearly every key has one token, and a set of one takes 0.2 KB. */
type HandleOrMore = KeyHandle | Set<KeyHandle>

function addTo(index: Map<string, HandleOrMore>, id: string, handle: KeyHandle): void {
  const known = index.get(id)
  if (known === undefined) index.set(id, handle)
  else if (typeof known === 'string') index.set(id, new Set([known, handle]))
  else known.add(handle)
}

function removeFrom(index: Map<string, HandleOrMore>, id: string, handle: KeyHandle): void {
  const known = index.get(id)
  if (known === undefined) return
  if (typeof known === 'string') {
    if (known === handle) index.delete(id)
    return
  }
  known.delete(handle)
  if (known.size === 0) index.delete(id)
}
