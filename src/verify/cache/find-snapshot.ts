import { hashToken, readTokenShape, TOKEN_LENGTH_MAX, type TokenHash } from '../../keys/token.ts'
import type { KeyHandle } from './key-handle.ts'
import type { LoadedSnapshot, SnapshotCache } from './snapshot-cache.ts'
import type { CacheEntry } from './snapshot-store.ts'

/**
 * From a token to what is known about its key. At once when it is in memory, otherwise a promise. `payer` is on whose
 * account the source is asked, should it have to be.
 */
export type FindSnapshot<Payer = void> = (
  token: string,
  now: number,
  payer: Payer,
) => LoadedSnapshot | Promise<LoadedSnapshot>

/** Asks about a key that is not in memory. May refuse instead, with UNAVAILABLE: thrown, or as a rejection. */
export type LookUp<Payer> = (handle: KeyHandle, now: number, payer: Payer) => Promise<LoadedSnapshot>

/** Says what of an entry in memory is for the payer, or asks as if it were not there, as `LookUp` does. */
export type Admit<Payer> = (entry: CacheEntry, now: number, payer: Payer) => LoadedSnapshot | Promise<LoadedSnapshot>

export interface FindSnapshotDeps<Payer> {
  readonly cache: Pick<SnapshotCache, 'peek' | 'load'>
  /**
   * Whether tokens with this prefix are of our making alone: some tenant has the prefix and nothing was imported under it.
   * Only then does a wrong checksum prove that a token is nobody's.
   */
  readonly isIssuedPrefix: (prefix: string) => boolean
  /** Absent: nothing is remembered. */
  readonly hash?: (token: string) => TokenHash
  /** What stands between a stranger's tokens and the source; absent: nothing. */
  readonly lookUp?: LookUp<Payer>
  /** What stands between the payer and what others asked about; absent: nothing. */
  readonly admit?: Admit<Payer>
}

const UNKNOWN: LoadedSnapshot = { snapshot: null, stale: false }

export function createFindSnapshot<Payer = void>(deps: FindSnapshotDeps<Payer>): FindSnapshot<Payer> {
  const { cache, isIssuedPrefix, hash = hashToken } = deps
  const { lookUp = (tokenHash, now) => cache.load(tokenHash, now), admit = (entry) => entry } = deps
  return (token, now, payer) => {
    if (token.length > TOKEN_LENGTH_MAX) return UNKNOWN
    const tokenHash = hash(token)
    const entry = cache.peek(tokenHash, now)
    if (entry !== undefined) return admit(entry, now, payer)
    // Reading the shape comes after the cache: a token that is in use there needs no such proof.
    const shape = readTokenShape(token)
    if (shape !== null && !shape.checksumMatches && isIssuedPrefix(shape.prefix)) return UNKNOWN
    return lookUp(tokenHash, now, payer)
  }
}
