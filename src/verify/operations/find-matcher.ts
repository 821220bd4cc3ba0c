import { createLru, type LruEntry } from '../../lib/lru.ts'
import { createSingleFlight } from '../../lib/single-flight.ts'
import type { KeySnapshot } from '../cache/snapshot.ts'
import { compileOperations, type OperationMatcher, type OperationRecord } from './operation-matcher.ts'

export interface OperationSource {
  /** The imported operations of a tenant, the latest import first. Rejects when no answer can be had. */
  findOperations(tenantId: string): Promise<readonly OperationRecord[]>
}

/** What matches requests of a key's tenant to operations; null when nothing was imported. At once when it is in memory. */
export type FindOperationMatcher = (
  key: Pick<KeySnapshot, 'tenantId' | 'operationsRevision'>,
) => OperationMatcher | null | Promise<OperationMatcher>

/** Each has up to 20,000 operations, and few tenants ask for theirs. */
const MATCHERS_MAX = 200

interface KnownMatcher extends LruEntry {
  readonly matcher: OperationMatcher
}

/**
 * Matchers are known by the revision that an import gives its tenant and that snapshots of keys carry. So they need no
 * eviction of their own: with the snapshots of a tenant the old revision is gone, and nobody asks for it any more. One that
 * was read while an import committed may hold the newer operations under the older revision, which does no harm.
 */
export function createFindOperationMatcher(source: OperationSource): FindOperationMatcher {
  const known = createLru<string, KnownMatcher>({ entriesMax: MATCHERS_MAX })
  const flights = createSingleFlight<string, OperationMatcher>()

  return ({ tenantId, operationsRevision: revision }) => {
    if (revision === null) return null
    const entry = known.get(revision)
    if (entry !== undefined) return entry.matcher
    return flights.run(revision, async () => {
      const matcher = await compileOperations(await source.findOperations(tenantId))
      known.set(revision, { matcher, usedLately: false })
      return matcher
    })
  }
}
