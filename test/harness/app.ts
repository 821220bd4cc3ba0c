import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import type pg from 'pg'
import { type App, createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import type { FirstStart } from '../../src/installation/first-start.ts'
import { createLogger } from '../../src/lib/logger.ts'
import type { RandomBytes } from '../../src/lib/random.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'
import { openOwnerPool } from './store-database.ts'

export interface TestAppOptions {
  /** Environment variables over the defaults of tests. */
  readonly env?: Record<string, string>
  readonly clock?: ManualClock
  /** A database that outlives the app, to start a second one on it; made and dropped with the app when absent. */
  readonly database?: TestDatabase
  readonly masterKey?: Uint8Array
  /** Whether it listens to what other apps on the same database change. */
  readonly sharesDatabase?: boolean
  /** Makes tokens foreseeable. */
  readonly randomBytes?: RandomBytes
}

export interface TestApp {
  readonly baseUrl: string
  readonly clock: ManualClock
  readonly database: TestDatabase
  readonly firstStart: FirstStart
  /** Every statement that went to the database since the start, in order. */
  readonly statements: string[]
  /** Lines that were logged. */
  readonly logLines: string[]
  /** Looks into the database as its owner. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>
  flushUsage(): Promise<void>
  runKeyJobs(): Promise<void>
  purge(): Promise<void>
  stop(): Promise<void>
}

/** Cheap to hash is not an option for passwords, so all tests share one admin password and log in once per app. */
export const ADMIN_PASSWORD = 'correct horse battery'

/** The real app in this process, on a database of its own, listening on a real socket. Only the clock is a test's. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const clock = options.clock ?? createManualClock()
  const database = options.database ?? (await createTestDatabase())
  const statements: string[] = []
  const logLines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      logLines.push(String(chunk))
      done()
    },
  })
  const logger = await createLogger({ level: 'debug', format: 'json', destination })
  const env = { PORT: '0', BOOTSTRAP_ADMIN_PASSWORD: ADMIN_PASSWORD, ...options.env }
  const result = readConfig(env)
  if (!result.ok) throw new Error(result.problems.join(' '))

  const app: App = await createApp({
    config: result.config,
    databaseUrl: database.url,
    masterKey: options.masterKey ?? randomBytes(32),
    withStarterTenant: true,
    sharesDatabase: options.sharesDatabase ?? false,
    clock,
    logger,
    ...(options.randomBytes && { randomBytes: options.randomBytes }),
    onStatement: (sql) => statements.push(sql),
  })
  const { port } = await app.listen()
  const owner = openOwnerPool(database)

  return {
    baseUrl: `http://127.0.0.1:${port}`,
    clock,
    database,
    firstStart: app.firstStart ?? { adminEmail: '', adminPassword: '', verifierToken: '', demoToken: null },
    statements,
    logLines,
    query: async (sql, values) => (await owner.query(sql, values)).rows,
    flushUsage: () => app.flushUsage(),
    runKeyJobs: () => app.runKeyJobs(),
    purge: () => app.purge(),
    async stop() {
      await app.stop()
      await owner.end()
      if (options.database === undefined) await database.drop()
    },
  }
}
