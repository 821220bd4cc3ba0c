import type { Metric } from '../http/metrics.ts'
import type { DataPlane } from './data-plane.ts'

/** What the data plane counts, under the names by which Prometheus knows it. */
export function listDataPlaneMetrics({
  verdictCounts,
  cache,
  usage,
  failedAuthentications,
  unknownLookups,
}: DataPlane): readonly Metric[] {
  return [
    {
      name: 'keyward_verdicts_total',
      help: 'Verdicts answered, by code.',
      kind: 'counter',
      label: 'code',
      read: () => verdictCounts,
    },
    {
      name: 'keyward_snapshot_reads_total',
      help: 'Reads of keys from the database, by outcome.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ begun: cache.stats.reads, repeated: cache.stats.readsRepeated, failed: cache.stats.readsFailed }),
    },
    {
      name: 'keyward_snapshots',
      help: 'Tokens in memory, known and unknown ones.',
      kind: 'gauge',
      label: 'kind',
      read: () => ({ known: cache.stats.knownCount, unknown: cache.stats.unknownCount }),
    },
    {
      name: 'keyward_stale_verdicts_total',
      help: 'Verdicts from the last known state, because the database was away.',
      kind: 'counter',
      read: () => ({ value: cache.stats.staleServed }),
    },
    {
      name: 'keyward_unknown_lookups_refused_total',
      help: 'Look-ups of unknown tokens that were not made because the budget of the verifier was spent.',
      kind: 'counter',
      read: () => ({ value: unknownLookups.refused }),
    },
    {
      name: 'keyward_failed_authentications_total',
      help: 'Failed authentications of verifiers that were answered 429, and look-ups for them that were refused.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ limited: failedAuthentications.limited, refused: failedAuthentications.refused }),
    },
    {
      name: 'keyward_usage_dropped_total',
      help: 'Verdicts that were answered and could not be counted, because the queue of counts was full.',
      kind: 'counter',
      read: () => ({ value: usage.stats.dropped }),
    },
  ]
}
