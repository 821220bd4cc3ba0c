import { setTimeout as sleep } from 'node:timers/promises'
import { type LoadConnection, openConnection } from './load-connection.ts'
import { LOAD_BEGINS, type LoadOrder, type LoadResult, SHARES_MACHINE } from './load-order.ts'
import { type NextRequest, prepareRandomRequests, prepareRequestsOnce, validStartOf } from './load-requests.ts'
import { quantile } from './statistics.ts'

/**
 * The load, as a process of its own. Takes orders by IPC, one at a time, so that its own start is no part of a measurement.
 */
const sharesMachine = process.argv.includes(SHARES_MACHINE)

interface Tally {
  /** Milliseconds from when a request was sent, or should have been, to its answer. */
  times: number[]
  validCount: number
  refusedCount: number
}

const openTally = (): Tally => ({ times: [], validCount: 0, refusedCount: 0 })

function sendCounted(connection: LoadConnection, request: Buffer, dueAt: number, tally: Tally, next: () => void): void {
  connection.send(request, ({ isValid, isRefused }) => {
    tally.times.push(performance.now() - dueAt)
    if (isValid) tally.validCount++
    if (isRefused) tally.refusedCount++
    next()
  })
}

/** Keeps every connection busy until `isOver`, or until there are no more requests. */
async function saturate(connections: readonly LoadConnection[], nextRequest: NextRequest, run: Run): Promise<void> {
  const keepBusy = (connection: LoadConnection): Promise<void> =>
    new Promise((resolve) => {
      const sendNext = (): void => {
        const request = run.isOver ? null : nextRequest()
        if (request === null) resolve()
        else sendCounted(connection, request, performance.now(), run.tally, sendNext)
      }
      sendNext()
    })
  await Promise.all(connections.map(keepBusy))
}

interface Run {
  tally: Tally
  isOver: boolean
}

/**
 * Keeps this process from sleeping. A server whose client sleeps pays with each answer for waking it, several
 * microseconds on a virtual machine: a faster server, which leaves its client no time to sleep, would be spared what a
 * slower one has to pay, and the comparison would be about that. Beside a database, which needs the processor for better
 * things, it sleeps.
 */
function stayAwake(run: Run): void {
  if (!run.isOver && !sharesMachine) setImmediate(stayAwake, run)
}

async function runClosed(connections: LoadConnection[], order: LoadOrder, durationMs: number): Promise<LoadResult> {
  const run: Run = { tally: openTally(), isOver: false }
  const saturated = saturate(connections, prepareRandomRequests(order), run)
  stayAwake(run)
  await sleep(order.warmUpMs)
  run.tally = openTally()
  const startedAt = performance.now()
  process.send?.(LOAD_BEGINS)
  await sleep(durationMs)
  const measured = run.tally
  const seconds = (performance.now() - startedAt) / 1000
  run.tally = openTally()
  run.isOver = true
  await saturated
  return summarize(measured, seconds)
}

async function runOnce(connections: LoadConnection[], order: LoadOrder): Promise<LoadResult> {
  const tally = openTally()
  const startedAt = performance.now()
  process.send?.(LOAD_BEGINS)
  await saturate(connections, prepareRequestsOnce(order), { tally, isOver: false })
  return summarize(tally, (performance.now() - startedAt) / 1000)
}

/** A connection that is missing at a request's instant is waited for, and the wait counts. */
async function runOpen(connections: LoadConnection[], order: LoadOrder, ratePerSecond: number): Promise<LoadResult> {
  const tally = openTally()
  const nextRequest = prepareRequestsOnce(order)
  const idle = [...connections]
  const due: { request: Buffer; dueAt: number }[] = []
  const startedAt = performance.now()
  process.send?.(LOAD_BEGINS)

  function dispatch(): void {
    while (due.length > 0) {
      // The one that was idle for longest: a connection that is never used is closed by the server.
      const connection = idle.shift()
      if (connection === undefined) return
      const first = due.shift()
      if (first === undefined) return
      sendCounted(connection, first.request, first.dueAt, tally, () => {
        idle.push(connection)
        dispatch()
      })
    }
  }

  for (let sent = 0, request = nextRequest(); request !== null; request = nextRequest(), sent++) {
    const dueAt = startedAt + (sent * 1000) / ratePerSecond
    const early = dueAt - performance.now()
    if (early > 0) await sleep(early)
    // A timer may be up to a millisecond early, which is not to be counted as speed.
    due.push({ request, dueAt: Math.min(dueAt, performance.now()) })
    dispatch()
  }
  while (idle.length < connections.length) await sleep(5)
  return summarize(tally, (performance.now() - startedAt) / 1000)
}

function summarize({ times, validCount, refusedCount }: Tally, seconds: number): LoadResult {
  const sorted = Float64Array.from(times).sort()
  return {
    requests: sorted.length,
    seconds,
    requestsPerSecond: sorted.length / seconds,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    maxMs: quantile(sorted, 1),
    validCount,
    refusedCount,
  }
}

async function obey(order: LoadOrder): Promise<LoadResult> {
  const { port, pace } = order
  const connections = await Promise.all(
    Array.from({ length: order.connections }, () => openConnection(port, validStartOf(order))),
  )
  try {
    if (pace.kind === 'closed') return await runClosed(connections, order, pace.durationMs)
    if (pace.kind === 'once') return await runOnce(connections, order)
    return await runOpen(connections, order, pace.ratePerSecond)
  } finally {
    for (const connection of connections) connection.close()
  }
}

function isOrder(message: unknown): message is LoadOrder {
  return typeof message === 'object' && message !== null && 'port' in message
}

process.on('message', async (message: unknown) => {
  if (isOrder(message)) process.send?.(await obey(message))
})
process.on('disconnect', () => process.exit())
