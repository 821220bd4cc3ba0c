import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedDatabase } from '../src/db/embedded/embedded-database.ts'
import { createLogger } from '../src/lib/logger.ts'

/** A PostgreSQL to measure with, and a superuser's way into it. */
export interface BenchPostgres {
  /** For the reader of the figures. */
  readonly name: string
  readonly superuserUrl: string
  stop(): Promise<void>
}

const USUAL_URL = 'postgres://postgres@127.0.0.1/postgres'

/**
 * The one of BENCH_DATABASE_URL, whose login has to be a superuser's, or the one of this machine; an embedded one where
 * nothing is set and none answers. Databases of the bench are kept there, to be used again: they are called
 * `keyward_bench_…`.
 */
export async function openPostgres(): Promise<BenchPostgres> {
  const given = process.env.BENCH_DATABASE_URL
  const url = given ?? USUAL_URL
  try {
    return { name: await askVersion(url), superuserUrl: url, stop: async () => {} }
  } catch (error) {
    if (given !== undefined) throw new Error(`The PostgreSQL of BENCH_DATABASE_URL does not answer: ${error}`)
    return startPostgres()
  }
}

/** The embedded one, with the settings that the server gives it, in a folder that goes with it. */
export async function startPostgres(): Promise<BenchPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'keyward-bench-'))
  const log = await createLogger({ level: 'error', format: 'json', destination: process.stderr })
  const { superuserUrl, stop } = await startEmbeddedDatabase({ dataDir, log })
  return {
    name: `${await askVersion(superuserUrl)}, embedded`,
    superuserUrl,
    async stop() {
      await stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function askVersion(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
    return `PostgreSQL ${rows[0]?.server_version.split(' ')[0]}`
  })
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
