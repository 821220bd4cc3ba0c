import type { Metric } from '../http/metrics.ts'
import type { Points } from './points.ts'

/** What the control plane counts, under the names by which Prometheus knows it. */
export function listGraphQLMetrics({ stats }: Points): readonly Metric[] {
  return [
    {
      name: 'keyward_graphql_rate_limited_total',
      help: 'GraphQL operations that were refused because the caller had spent its points of the minute.',
      kind: 'counter',
      read: () => ({ value: stats.refused }),
    },
    {
      name: 'keyward_graphql_callers',
      help: 'Callers whose points are counted, by whether they have said who they are.',
      kind: 'gauge',
      label: 'kind',
      read: () => ({ actor: stats.actorCount, address: stats.addressCount }),
    },
  ]
}
