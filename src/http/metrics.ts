import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Route } from './router.ts'

/** A number, or one number per value of a label, read when somebody asks for metrics. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  /** Name of the label whose values are the keys of what `read` returns; absent: `read` returns one number as `value`. */
  readonly label?: string
  readonly read: () => Readonly<Record<string, number>>
}

/**
 * `GET /metrics` in the text format of Prometheus. What is measured lives where it happens, as plain numbers that the
 * hot path only increases; here they are read, once per scrape.
 */
export function createMetricsRoute(metrics: readonly Metric[]): Route {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const metric of metrics) register(registry, metric)

  return {
    method: 'GET',
    path: '/metrics',
    async handle(_req, res, requestId) {
      const body = await registry.metrics()
      res.writeHead(200, {
        'Content-Type': registry.contentType,
        'Content-Length': Buffer.byteLength(body),
        'Cache-Control': 'no-store',
        'X-Request-Id': requestId,
      })
      res.end(body)
    },
  }
}

function register(registry: Registry, { name, help, kind, label, read }: Metric): void {
  const shape = { name, help, registers: [registry], labelNames: label === undefined ? [] : [label] }
  if (kind === 'gauge') {
    new Gauge({
      ...shape,
      collect() {
        for (const [value, number] of Object.entries(read()))
          this.set(label === undefined ? {} : { [label]: value }, number)
      },
    })
    return
  }
  new Counter({
    ...shape,
    collect() {
      // Prometheus counters are told increments; ours are totals already.
      this.reset()
      for (const [value, number] of Object.entries(read()))
        this.inc(label === undefined ? {} : { [label]: value }, number)
    },
  })
}
