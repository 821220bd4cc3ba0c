import { appServer, type BenchDatabase } from './bench-database.ts'
import type { LoadOrder, Pace } from './load-order.ts'
import { type LoadProcess, type Measurement, type ServerUnderTest, startServer } from './processes.ts'

/** The whole server on a database of the bench, and requests about keys of it by their numbers. */

export const MANY_KEYS = 1_000_000

export async function withServer<T>(
  database: BenchDatabase,
  nodeArgs: readonly string[],
  env: Readonly<Record<string, string>>,
  work: (server: ServerUnderTest) => Promise<T>,
): Promise<T> {
  const server = await startServer({ ...appServer(database, env), nodeArgs })
  try {
    return await work(server)
  } finally {
    await server.stop()
  }
}

/** Requests about keys by number, each once. */
export function orderOnce(
  server: ServerUnderTest,
  part: { firstIndex: number; count: number; step?: number },
  pace: Pace,
  connections: number,
): LoadOrder {
  return {
    port: server.port,
    path: '/verify',
    itemsPerRequest: 1,
    traffic: [{ share: 1, ...part }],
    connections,
    pace,
    warmUpMs: 0,
  }
}

/** Loads, and fails unless every answer was VALID. */
export async function runValid(load: LoadProcess, order: LoadOrder, server: ServerUnderTest): Promise<Measurement> {
  const measured = await load.run(order, server)
  if (measured.validCount === measured.requests) return measured
  throw new Error(
    `Wrong answers: ${measured.validCount} of ${measured.requests} valid, ${measured.refusedCount} refused.`,
  )
}
