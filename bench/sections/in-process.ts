import { type Contender, holdContest } from '../contest.ts'
import type { LoadOrder } from '../load-order.ts'
import type { InProcessRounds } from '../measure/in-process.ts'
import { runMeasuringProcess, startServer } from '../processes.ts'
import { type BenchContext, runParts, type Section, type SectionResult } from '../section.ts'
import { median } from '../statistics.ts'
import { BATCH_ITEMS, VALID_TRAFFIC } from '../traffic.ts'

/** What a verification costs without HTTP, alone and in batches; and what batches save with it. */
export const inProcessSection: Section = {
  name: 'in-process',
  title: 'verify() and batches (10,000 keys in memory, all checks on)',
  isSlow: false,
  run: (context) => runParts([() => measureCalls(context), () => measureRequests(context)]),
}

const VERIFY_MICROS_MOST = 3
const BATCH_MICROS_MOST = 500
/** Short ones: more than the five that a median needs. */
const ROUNDS_LEAST = 5

async function measureCalls({ rounds, serverNodeArgs }: BenchContext): Promise<SectionResult> {
  const found = (await runMeasuringProcess({
    file: 'bench/measure/in-process.ts',
    args: [String(Math.max(rounds, ROUNDS_LEAST))],
    nodeArgs: serverNodeArgs,
  })) as InProcessRounds
  const row = (name: string, micros: readonly number[], items: number): string[] => [
    name,
    `${median(micros).toFixed(2)} µs`,
    `${Math.min(...micros).toFixed(2)}–${Math.max(...micros).toFixed(2)}`,
    `${(median(micros) / items).toFixed(2)} µs`,
  ]
  const verifyMicros = median(found.verifyMicros)
  const batchMicros = median(found.batchMicros)
  return {
    tables: [
      {
        columns: ['in this process', 'each', 'least–greatest', 'per key'],
        rows: [
          row('verify()', found.verifyMicros, 1),
          row('body to answer', found.answerMicros, 1),
          row(`body to answer, batch of ${BATCH_ITEMS}`, found.batchMicros, BATCH_ITEMS),
        ],
      },
    ],
    targets: [
      {
        text: `verify() ≤ ${VERIFY_MICROS_MOST} µs: ${verifyMicros.toFixed(2)} µs`,
        isMet: verifyMicros <= VERIFY_MICROS_MOST,
      },
      {
        text: `batch of ${BATCH_ITEMS}, body to answer ≤ ${BATCH_MICROS_MOST} µs: ${batchMicros.toFixed(0)} µs`,
        isMet: batchMicros <= BATCH_MICROS_MOST,
      },
    ],
  }
}

const SINGLE = 0
const BATCH = 1

async function measureRequests({ load, rounds, durationMs, serverNodeArgs }: BenchContext): Promise<SectionResult> {
  const server = await startServer({ file: 'bench/servers/verify-server.ts', nodeArgs: serverNodeArgs })
  try {
    const order = (path: '/verify' | '/verify/batch', itemsPerRequest: number): LoadOrder => ({
      port: server.port,
      path,
      itemsPerRequest,
      traffic: VALID_TRAFFIC,
      connections: 32,
      pace: { kind: 'closed', durationMs },
      warmUpMs: 300,
    })
    const contenders: Contender[] = [
      { name: '/verify', server, order: order('/verify', 1) },
      { name: `/verify/batch of ${BATCH_ITEMS}`, server, order: order('/verify/batch', BATCH_ITEMS) },
    ]
    // Half of the rounds: what is compared differs by several times, not by percents.
    const contest = await holdContest(load, contenders, Math.ceil(rounds / 2))
    for (const place of [SINGLE, BATCH]) {
      const validShare = contest.column(place, (one) => one.validCount / one.requests)
      if (validShare < 1) throw new Error(`Wrong answers: only ${validShare} of them valid.`)
    }
    const items = [1, BATCH_ITEMS]
    const rows = contenders.map(({ name }, place) => {
      const each = items[place] ?? 1
      const cpuMicros = contest.column(place, (one) => one.cpuMicrosPerRequest)
      const times = contest.ratio(place, SINGLE, (one) => one.requestsPerSecond).median * each
      return [
        name,
        contest.column(place, (one) => one.requestsPerSecond).toFixed(0),
        contest.column(place, (one) => one.requestsPerSecond * each).toFixed(0),
        place === SINGLE ? '' : times.toFixed(1),
        `${(cpuMicros / each).toFixed(1)} µs`,
        `${contest.column(place, (one) => one.p50Ms).toFixed(2)} ms`,
        `${contest.column(place, (one) => one.p99Ms).toFixed(2)} ms`,
      ]
    })
    const columns = ['over HTTP', 'requests/s', 'keys/s', 'times', 'CPU per key', 'p50', 'p99']
    return { tables: [{ columns, rows }], targets: [] }
  } finally {
    await server.stop()
  }
}
