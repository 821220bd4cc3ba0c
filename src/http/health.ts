import type { ServerResponse } from 'node:http'
import { withDeadline } from '../lib/deadline.ts'
import { createSingleFlight } from '../lib/single-flight.ts'
import type { Route } from './router.ts'

/** Resolves when what it checks works, and rejects otherwise. */
export type HealthCheck = () => Promise<void>

/** A balancer asks every few seconds and gives up soon; a check that hangs is a check that failed. */
const CHECK_DEADLINE_MS = 2_000

/**
 * `live`: the process answers, do not restart it. `ready`: what it depends on answers too, send it traffic. The reason of
 * a failure goes to nobody who asks: names of hosts and databases are not for strangers.
 */
export function createHealthRoutes(checks: Readonly<Record<string, HealthCheck>>): readonly Route[] {
  const live: Route['handle'] = (_req, res, requestId) => sendHealth(res, requestId, 200, { status: 'ok' })
  // Whoever asks need not show who they are, so that any number of callers at a time cause one check, not one each.
  const flights = createSingleFlight<string, 'ok' | 'failed'>()
  const ready: Route['handle'] = async (_req, res, requestId) => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await flights.run(name, () => run(check))] as const),
    )
    const failed = results.some(([, result]) => result !== 'ok')
    const body = { status: failed ? 'unavailable' : 'ok', checks: Object.fromEntries(results) }
    sendHealth(res, requestId, failed ? 503 : 200, body)
  }
  return [
    ...['/health/live', '/healthz'].map((path) => ({ method: 'GET', path, handle: live }) as const),
    ...['/health', '/health/ready', '/readyz'].map((path) => ({ method: 'GET', path, handle: ready }) as const),
  ]
}

async function run(check: HealthCheck): Promise<'ok' | 'failed'> {
  try {
    await withDeadline(check(), CHECK_DEADLINE_MS, () => new Error('The check took too long.'))
    return 'ok'
  } catch {
    return 'failed'
  }
}

function sendHealth(res: ServerResponse, requestId: string, status: number, body: unknown): void {
  const json = JSON.stringify(body)
  res.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(json),
    'Cache-Control': 'no-store',
    'X-Request-Id': requestId,
    ...(status === 503 && { 'Retry-After': '1' }),
  })
  res.end(json)
}
