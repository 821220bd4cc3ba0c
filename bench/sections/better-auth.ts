import { spawnSync } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { withDatabase } from '../../src/db/connection-url.ts'
import { orderOnce, runValid, withServer } from '../app-under-test.ts'
import { type BenchDatabase, prepareDatabase } from '../bench-database.ts'
import { type Contender, holdContest } from '../contest.ts'
import { HOT_KEYS } from '../keys.ts'
import { PEER_KEYS, peerKey } from '../peers/better-auth/keys.ts'
import { type BenchPostgres, openPostgres, withClient } from '../postgres.ts'
import { type LoadProcess, type ServerUnderTest, startLoad, startServer } from '../processes.ts'
import type { BenchContext, Section, SectionResult } from '../section.ts'
import { VALID_TRAFFIC } from '../traffic.ts'

/** The API keys of Better Auth, on the same runtime and the same PostgreSQL, under the same load. */
export const betterAuthSection: Section = {
  name: 'better-auth',
  title: 'POST /verify and Better Auth (10,000 keys in PostgreSQL)',
  isSlow: true,
  async run(context) {
    await installPeer()
    const postgres = await openPostgres()
    const load = startLoad(true)
    try {
      const database = await prepareDatabase(postgres, HOT_KEYS)
      const peer = await startServer({
        file: join(PEER_DIR, 'server.ts'),
        args: [await makeEmptyDatabase(postgres)],
        sharesMachine: true,
      })
      try {
        return await compare(context, load, peer, database)
      } finally {
        await peer.stop()
      }
    } finally {
      load.stop()
      await postgres.stop()
    }
  },
}

const PEER_DIR = join(import.meta.dirname, '../peers/better-auth')
const PEER_DATABASE = 'keyward_bench_better_auth'
const INSTALL_MAX_MS = 180_000

/** By its own lock file, and only for this section: nothing of the product needs it. */
async function installPeer(): Promise<void> {
  const [installedAt, lockedAt] = await Promise.all([
    changedAt(join(PEER_DIR, 'node_modules/.package-lock.json')),
    changedAt(join(PEER_DIR, 'package-lock.json')),
  ])
  if (installedAt >= lockedAt) return
  const { status, stderr, error } = spawnSync('npm', ['ci', '--ignore-scripts'], {
    cwd: PEER_DIR,
    encoding: 'utf8',
    timeout: INSTALL_MAX_MS,
  })
  if (status !== 0) throw new Error(`Better Auth cannot be installed: ${error?.message ?? stderr}`)
}

async function changedAt(path: string): Promise<number> {
  const found = await stat(path).catch(() => null)
  return found?.mtimeMs ?? 0
}

async function makeEmptyDatabase({ superuserUrl }: BenchPostgres): Promise<string> {
  await withClient(superuserUrl, async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${PEER_DATABASE} WITH (FORCE)`)
    await client.query(`CREATE DATABASE ${PEER_DATABASE}`)
  })
  return withDatabase(superuserUrl, PEER_DATABASE)
}

/** Enough to keep either server busy, whatever the load and PostgreSQL take of the processors. */
const CONNECTIONS = 128
const RATIO_LEAST = 20
const PEER = 0
const KEYWARD = 1

async function compare(
  { rounds, durationMs, serverNodeArgs }: BenchContext,
  load: LoadProcess,
  peer: ServerUnderTest,
  database: BenchDatabase,
): Promise<SectionResult> {
  return withServer(database, serverNodeArgs, {}, async (keyward) => {
    await runValid(load, orderOnce(keyward, { firstIndex: 0, count: HOT_KEYS }, { kind: 'once' }, CONNECTIONS), keyward)
    const manner = { connections: CONNECTIONS, pace: { kind: 'closed', durationMs }, warmUpMs: 300 } as const
    const bodies = Array.from({ length: PEER_KEYS }, (_, index) =>
      JSON.stringify({ key: peerKey(index), permissions: { orders: ['read'] } }),
    )
    const contenders: Contender[] = [
      {
        name: 'Better Auth, verifyApiKey',
        server: peer,
        order: { ...manner, port: peer.port, path: '/', headers: {}, bodies, goodStart: '{"valid":true' },
      },
      {
        name: 'Keyward, POST /verify',
        server: keyward,
        order: { ...manner, port: keyward.port, path: '/verify', itemsPerRequest: 1, traffic: VALID_TRAFFIC },
      },
    ]
    const contest = await holdContest(load, contenders, rounds)
    for (const [place, { name }] of contenders.entries()) {
      const validShare = contest.column(place, (one) => one.validCount / one.requests)
      if (validShare < 1) throw new Error(`Wrong answers of ${name}: only ${validShare} of them valid.`)
    }
    const ratio = contest.ratio(KEYWARD, PEER, (one) => one.requestsPerSecond)
    const rows = contenders.map(({ name }, place) => [
      name,
      contest.column(place, (one) => one.requestsPerSecond).toFixed(0),
      place === PEER ? '' : `${ratio.median.toFixed(1)} (${ratio.least.toFixed(1)}–${ratio.greatest.toFixed(1)})`,
      `${contest.column(place, (one) => one.cpuMicrosPerRequest).toFixed(0)} µs`,
      `${(100 * contest.column(place, (one) => one.busyShare)).toFixed(0)} %`,
      `${contest.column(place, (one) => one.p50Ms).toFixed(2)} ms`,
      `${contest.column(place, (one) => one.p99Ms).toFixed(2)} ms`,
    ])
    return {
      tables: [
        {
          columns: [
            `${CONNECTIONS} connections`,
            'requests/s',
            'times',
            'CPU per request',
            'server busy',
            'p50',
            'p99',
          ],
          rows,
        },
      ],
      targets: [
        {
          text: `throughput ≥ ${RATIO_LEAST} × Better Auth: ${ratio.median.toFixed(1)}`,
          isMet: ratio.median >= RATIO_LEAST,
        },
      ],
    }
  })
}
