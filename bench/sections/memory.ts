import { setTimeout as sleep } from 'node:timers/promises'
import { CACHE_KEYS_DEFAULT } from '../../src/verify/cache/cache-size.ts'
import { MANY_KEYS, orderOnce, runValid, withServer } from '../app-under-test.ts'
import { type BenchDatabase, prepareDatabase } from '../bench-database.ts'
import { openPostgres } from '../postgres.ts'
import { type LoadProcess, type ServerUnderTest, startLoad } from '../processes.ts'
import type { Section, SectionResult } from '../section.ts'
import type { ProcessReport } from '../servers/report-process.ts'

/** How much memory the keys in memory take, and that a bound on them is one. */
export const memorySection: Section = {
  name: 'memory',
  title: 'memory of keys, out of a database of 1,000,000',
  isSlow: true,
  async run() {
    const postgres = await openPostgres()
    const load = startLoad(true)
    try {
      return await measureMemory(load, await prepareDatabase(postgres, MANY_KEYS))
    } finally {
      load.stop()
      await postgres.stop()
    }
  },
}

/** The setting, and how many different keys are asked about: three times as many as fit show that the bound holds. */
const FILLS = [
  { cacheKeys: 10_000, asked: 10_000 },
  { cacheKeys: 10_000, asked: 30_000 },
  { cacheKeys: CACHE_KEYS_DEFAULT, asked: CACHE_KEYS_DEFAULT },
  { cacheKeys: CACHE_KEYS_DEFAULT, asked: 3 * CACHE_KEYS_DEFAULT },
] as const
const DEFAULT_MEGABYTES_MOST = 300
/** V8 unmaps pages that are free some time after it has found them so. */
const GIVE_BACK_MS = 3_000

async function measureMemory(load: LoadProcess, large: BenchDatabase): Promise<SectionResult> {
  const rows: string[][] = []
  let defaultMegabytes = 0
  for (const { cacheKeys, asked } of FILLS) {
    const env = { VERIFY_CACHE_KEYS: String(cacheKeys) }
    await withServer(large, ['--expose-gc'], env, async (server) => {
      const idle = await reportIdle(server)
      await runValid(load, orderOnce(server, { firstIndex: 0, count: asked }, { kind: 'once' }, 64), server)
      // What is resident right after the load, then what is left when all garbage is collected.
      const { rssBytes } = await server.report('cpu')
      const { heapBytes } = await server.report('memory')
      const residentMegabytes = toMegabytes(rssBytes - idle.rssBytes)
      if (cacheKeys === CACHE_KEYS_DEFAULT) defaultMegabytes = Math.max(defaultMegabytes, residentMegabytes)
      rows.push([
        String(cacheKeys),
        String(asked),
        `${toMegabytes(idle.rssBytes).toFixed(0)} MB`,
        `+${residentMegabytes.toFixed(0)} MB`,
        `+${toMegabytes(heapBytes - idle.heapBytes).toFixed(0)} MB`,
        `${((heapBytes - idle.heapBytes) / Math.min(cacheKeys, asked) / 1000).toFixed(1)} KB`,
      ])
    })
  }
  return {
    tables: [
      { columns: ['VERIFY_CACHE_KEYS', 'keys asked', 'idle', 'resident', 'heap after GC', 'heap per key'], rows },
    ],
    targets: [
      {
        text: `memory of a full cache of the default size ≤ ${DEFAULT_MEGABYTES_MOST} MB above idle: ${defaultMegabytes.toFixed(0)} MB`,
        isMet: defaultMegabytes <= DEFAULT_MEGABYTES_MOST,
      },
    ],
  }
}

/** What is resident when the garbage of the start is collected and V8 has given back what it took. */
async function reportIdle(server: ServerUnderTest): Promise<ProcessReport> {
  await server.report('memory')
  await sleep(GIVE_BACK_MS)
  return server.report('memory')
}

function toMegabytes(bytes: number): number {
  return bytes / 1e6
}
