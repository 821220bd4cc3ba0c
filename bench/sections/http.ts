import { type Contender, holdContest, type Ratio } from '../contest.ts'
import type { LoadOrder } from '../load-order.ts'
import type { ServerUnderTest } from '../processes.ts'
import { startServer } from '../processes.ts'
import { sampleAnswer } from '../sample-answer.ts'
import type { BenchContext, Section, SectionResult } from '../section.ts'
import { MIXED_TRAFFIC, type TrafficPart, VALID_TRAFFIC } from '../traffic.ts'

/** `POST /verify`, warm, against the bare server; and the same with traffic of which a part is denied. */
export const httpSection: Section = {
  name: 'http',
  title: 'POST /verify against bare node:http (10,000 keys in memory, all checks on)',
  isSlow: false,
  async run(context) {
    const keyward = await startServer({ file: 'bench/servers/verify-server.ts', nodeArgs: context.serverNodeArgs })
    const bare = await startServer({
      file: 'bench/servers/bare-server.ts',
      args: [JSON.stringify(await sampleAnswer(keyward.port))],
    })
    try {
      return mergeResults([
        await compare(context, { bare, keyward }, 32, 0.9),
        await compare(context, { bare, keyward }, 256, 0.85),
      ])
    } finally {
      await Promise.all([keyward.stop(), bare.stop()])
    }
  },
}

interface Servers {
  readonly bare: ServerUnderTest
  readonly keyward: ServerUnderTest
}

const COLUMNS = [
  'connections',
  'server',
  'requests/s',
  'ratio to bare',
  'least–greatest',
  'CPU per request',
  'CPU ratio',
  'p50',
  'p99',
  'p99 to bare',
  'server busy',
]

async function compare(
  { load, rounds, durationMs }: BenchContext,
  { bare, keyward }: Servers,
  connections: number,
  ratioLeast: number,
): Promise<SectionResult> {
  const order = (port: number, traffic: readonly TrafficPart[]): LoadOrder => ({
    port,
    path: '/verify',
    itemsPerRequest: 1,
    traffic,
    connections,
    pace: { kind: 'closed', durationMs },
    warmUpMs: 300,
  })
  const contenders: Contender[] = [
    { name: 'bare node:http', server: bare, order: order(bare.port, VALID_TRAFFIC) },
    { name: '/verify, valid', server: keyward, order: order(keyward.port, VALID_TRAFFIC) },
    { name: '/verify, mixed', server: keyward, order: order(keyward.port, MIXED_TRAFFIC) },
  ]
  const contest = await holdContest(load, contenders, rounds)
  const refused = contest.column(VALID, (one) => one.refusedCount) + contest.column(MIXED, (one) => one.refusedCount)
  const validShare = contest.column(VALID, (one) => one.validCount / one.requests)
  const mixedShare = contest.column(MIXED, (one) => one.validCount / one.requests)
  if (refused > 0 || validShare < 1 || Math.abs(mixedShare - 0.8) > 0.02) {
    throw new Error(`Wrong answers: ${refused} refused, ${validShare} and ${mixedShare} of them valid.`)
  }

  const throughput = contest.ratio(VALID, BARE, (one) => one.requestsPerSecond)
  const mixed = contest.ratio(MIXED, VALID, (one) => one.requestsPerSecond)
  const p99 = contest.ratio(VALID, BARE, (one) => one.p99Ms)
  const rows = contenders.map(({ name }, place) => {
    const ratio = contest.ratio(place, BARE, (one) => one.requestsPerSecond)
    return [
      String(connections),
      name,
      contest.column(place, (one) => one.requestsPerSecond).toFixed(0),
      place === BARE ? '' : ratio.median.toFixed(3),
      place === BARE ? '' : formatSpread(ratio),
      `${contest.column(place, (one) => one.cpuMicrosPerRequest).toFixed(1)} µs`,
      place === BARE ? '' : (1 / contest.ratio(place, BARE, (one) => one.cpuMicrosPerRequest).median).toFixed(3),
      `${contest.column(place, (one) => one.p50Ms).toFixed(2)} ms`,
      `${contest.column(place, (one) => one.p99Ms).toFixed(2)} ms`,
      place === BARE ? '' : contest.ratio(place, BARE, (one) => one.p99Ms).median.toFixed(2),
      `${(100 * contest.column(place, (one) => one.busyShare)).toFixed(0)} %`,
    ]
  })
  return {
    tables: [{ columns: COLUMNS, rows }],
    targets: [
      {
        text: `throughput at ${connections} connections ≥ ${ratioLeast} of bare: ${throughput.median.toFixed(3)}`,
        isMet: throughput.median >= ratioLeast,
      },
      {
        text: `p99 at ${connections} connections ≤ 2 × bare: ${p99.median.toFixed(2)}`,
        isMet: p99.median <= 2,
      },
      {
        text: `mixed load at ${connections} connections ≥ 0.90 of valid load: ${mixed.median.toFixed(3)}`,
        isMet: mixed.median >= 0.9,
      },
    ],
  }
}

const BARE = 0
const VALID = 1
const MIXED = 2

function formatSpread({ least, greatest }: Ratio): string {
  return `${least.toFixed(2)}–${greatest.toFixed(2)}`
}

function mergeResults(results: readonly SectionResult[]): SectionResult {
  const [first] = results
  const rows = results.flatMap(({ tables }) => tables.flatMap((table) => table.rows))
  return {
    tables: [{ columns: first?.tables[0]?.columns ?? [], rows }],
    targets: results.flatMap(({ targets }) => targets),
  }
}
