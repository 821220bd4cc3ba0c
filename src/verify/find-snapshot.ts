import { hashToken, readTokenShape, TOKEN_LENGTH_MAX } from '../keys/token.ts'
import type { LoadedSnapshot, SnapshotCache } from './snapshot-cache.ts'

/** From a token to what is known about its key. At once when it is in memory, otherwise a promise. */
export type FindSnapshot = (token: string, now: number) => LoadedSnapshot | Promise<LoadedSnapshot>

export interface FindSnapshotDeps {
  readonly cache: Pick<SnapshotCache, 'peek' | 'load'>
  /**
   * Whether tokens with this prefix are of our making alone: some tenant has the prefix and nothing was imported under it.
   * Only then does a wrong checksum prove that a token is nobody's.
   */
  readonly isIssuedPrefix: (prefix: string) => boolean
}

const UNKNOWN: LoadedSnapshot = { snapshot: null, stale: false }

export function createFindSnapshot({ cache, isIssuedPrefix }: FindSnapshotDeps): FindSnapshot {
  return (token, now) => {
    if (token.length > TOKEN_LENGTH_MAX) return UNKNOWN
    const tokenHash = hashToken(token)
    const entry = cache.peek(tokenHash, now)
    if (entry !== undefined) return entry
    // Reading the shape comes after the cache: a token that is in use there needs no such proof.
    const shape = readTokenShape(token)
    if (shape !== null && !shape.checksumMatches && isIssuedPrefix(shape.prefix)) return UNKNOWN
    return cache.load(tokenHash, now)
  }
}
