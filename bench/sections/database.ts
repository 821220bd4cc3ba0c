import { MANY_KEYS, orderOnce, runValid, withServer } from '../app-under-test.ts'
import { type BenchDatabase, prepareDatabase } from '../bench-database.ts'
import { type Contender, holdContest } from '../contest.ts'
import { HOT_KEYS } from '../keys.ts'
import type { LoadOrder, Pace } from '../load-order.ts'
import { openPostgres } from '../postgres.ts'
import { type LoadProcess, type ServerUnderTest, startLoad } from '../processes.ts'
import { type BenchContext, runParts, type Section, type SectionResult, type Table } from '../section.ts'
import { median } from '../statistics.ts'
import { VALID_TRAFFIC } from '../traffic.ts'

/**
 * The whole server on PostgreSQL, with a million keys: what a key costs that is not in memory, and whether those that
 * are feel how many there are.
 */
export const databaseSection: Section = {
  name: 'database',
  title: 'a database of 1,000,000 keys',
  isSlow: true,
  async run(context) {
    const postgres = await openPostgres()
    const load = startLoad(true)
    try {
      const small = await prepareDatabase(postgres, HOT_KEYS)
      const large = await prepareDatabase(postgres, MANY_KEYS)
      return await runParts([
        async () => ({ tables: [describeDatabases(postgres.name, [small, large])], targets: [] }),
        () => withServer(large, [], {}, (server) => measureCold(context, load, server)),
        () => measureHot(context, load, small, large),
      ])
    } finally {
      load.stop()
      await postgres.stop()
    }
  },
}

function describeDatabases(name: string, databases: readonly BenchDatabase[]): Table {
  return {
    columns: [name, 'made in'],
    rows: databases.map(({ keyCount, madeInSeconds }) => [
      `${keyCount} keys`,
      madeInSeconds === null ? 'there already' : `${madeInSeconds.toFixed(0)} s`,
    ]),
  }
}

const COLD_PER_SECOND = 200
const COLD_SECONDS = 5
const COLD_P99_MS_MOST = 10
const ROUNDS_COLD = 3
/** Prime, so that keys asked one after the other lie in different pages of tables and indexes, and none comes twice. */
const COLD_STEP = 211
const CONCURRENT = 1_000

async function measureCold(
  { rounds }: BenchContext,
  load: LoadProcess,
  server: ServerUnderTest,
): Promise<SectionResult> {
  const count = COLD_PER_SECOND * COLD_SECONDS
  // Connections to the database, plans, compiled code.
  await runValid(load, orderOnce(server, { firstIndex: 200_000, count, step: COLD_STEP }, { kind: 'once' }, 16), server)
  const measured = []
  for (let round = 0; round < Math.min(rounds, ROUNDS_COLD); round++) {
    const part = { firstIndex: 200_001 + round, count, step: COLD_STEP }
    const pace: Pace = { kind: 'open', ratePerSecond: COLD_PER_SECOND }
    measured.push(await runValid(load, orderOnce(server, part, pace, 64), server))
  }
  const before = await server.countStatements()
  const oneKey = { firstIndex: MANY_KEYS - 1, count: CONCURRENT, step: 0 }
  const crowd = await runValid(load, orderOnce(server, oneKey, { kind: 'once' }, CONCURRENT), server)
  const statements = (await server.countStatements()) - before

  const p99 = median(measured.map(({ p99Ms }) => p99Ms))
  const worst = Math.max(...measured.map(({ maxMs }) => maxMs))
  return {
    tables: [
      {
        columns: ['not in memory', 'requests', 'p50', 'p99', 'longest'],
        rows: [
          [
            `${COLD_PER_SECOND}/s, each another key`,
            `${measured.length} × ${count}`,
            `${median(measured.map(({ p50Ms }) => p50Ms)).toFixed(2)} ms`,
            `${p99.toFixed(2)} ms`,
            `${worst.toFixed(1)} ms`,
          ],
          [
            `${CONCURRENT} at once, one key`,
            String(crowd.requests),
            `${crowd.p50Ms.toFixed(1)} ms`,
            `${crowd.p99Ms.toFixed(1)} ms`,
            `${crowd.maxMs.toFixed(1)} ms`,
          ],
        ],
      },
    ],
    targets: [
      {
        text: `cold p99 at ${COLD_PER_SECOND}/s < ${COLD_P99_MS_MOST} ms: ${p99.toFixed(2)} ms`,
        isMet: p99 < COLD_P99_MS_MOST,
      },
      {
        text: `${CONCURRENT} concurrent requests for one cold key, 1 statement: ${statements}`,
        isMet: statements === 1,
      },
    ],
  }
}

const HOT_RATIO_LEAST = 0.9

async function measureHot(
  { rounds, durationMs, serverNodeArgs }: BenchContext,
  load: LoadProcess,
  small: BenchDatabase,
  large: BenchDatabase,
): Promise<SectionResult> {
  return withServer(small, serverNodeArgs, {}, (few) =>
    withServer(large, serverNodeArgs, {}, async (many) => {
      const contenders: Contender[] = []
      for (const [name, server] of [
        ['of 10,000', few],
        ['of 1,000,000', many],
      ] as const) {
        await runValid(load, orderOnce(server, { firstIndex: 0, count: HOT_KEYS }, { kind: 'once' }, 32), server)
        const order: LoadOrder = {
          port: server.port,
          path: '/verify',
          itemsPerRequest: 1,
          traffic: VALID_TRAFFIC,
          connections: 32,
          pace: { kind: 'closed', durationMs },
          warmUpMs: 300,
        }
        contenders.push({ name, server, order })
      }
      const contest = await holdContest(load, contenders, rounds)
      const ratio = contest.ratio(1, 0, (one) => one.requestsPerSecond)
      const rows = contenders.map(({ name }, place) => [
        name,
        contest.column(place, (one) => one.requestsPerSecond).toFixed(0),
        place === 0 ? '' : `${ratio.median.toFixed(3)} (${ratio.least.toFixed(2)}–${ratio.greatest.toFixed(2)})`,
        `${contest.column(place, (one) => one.cpuMicrosPerRequest).toFixed(1)} µs`,
        `${(100 * contest.column(place, (one) => one.busyShare)).toFixed(0)} %`,
        `${contest.column(place, (one) => one.p50Ms).toFixed(2)} ms`,
        `${contest.column(place, (one) => one.p99Ms).toFixed(2)} ms`,
      ])
      return {
        tables: [
          {
            columns: ['10,000 keys in use', 'requests/s', 'ratio', 'CPU per request', 'server busy', 'p50', 'p99'],
            rows,
          },
        ],
        targets: [
          {
            text: `throughput on 10,000 of 1,000,000 keys ≥ ${HOT_RATIO_LEAST} of 10,000 of 10,000: ${ratio.median.toFixed(3)}`,
            isMet: ratio.median >= HOT_RATIO_LEAST,
          },
        ],
      }
    }),
  )
}
