import pg from 'pg'
import type { Logger } from '../lib/logger.ts'
import { withSettings } from './connection-url.ts'
import { DatabaseError } from './database-error.ts'
import { APP_ROLE } from './embedded/bootstrap.ts'
import { refuseSecondConnection } from './transaction-scope.ts'

export interface PoolOptions {
  readonly url: string
  readonly log: Pick<Logger, 'warn'>
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string
  /** Connections at most. More serve more callers at once, until PostgreSQL's processors are busy. */
  readonly connectionsMax?: number
  /** Callers that wait for a connection at most; the next one is refused at once. */
  readonly waitingMax?: number
  /** Milliseconds until a caller has its connection, waiting and connecting together. */
  readonly acquireTimeoutMs?: number
  /** Milliseconds after which PostgreSQL itself cancels a statement. */
  readonly statementTimeoutMs?: number
  /** Milliseconds after which PostgreSQL ends a transaction that its client has forgotten. */
  readonly idleInTransactionTimeoutMs?: number
  /** Sees the text of every statement that goes over the wire, those of Prisma and BEGIN and COMMIT included. */
  readonly onStatement?: (sql: string) => void
}

type ConnectCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void

/**
 * How long after PostgreSQL's own deadline an answer is still waited for. When it comes no more, the network has swallowed
 * it: a connection that nobody gave up would stay out of the pool for as long as TCP believes in it, which is for hours.
 */
const ANSWER_SLACK_MS = 2_000

/**
 * The only way to the database. Four things are added to pg's pool: inside a transaction nobody gets a second
 * connection, the number of those who wait is bounded, a connection survives a statement that failed, and none is handed
 * out again that is older than a silence: when one got no answer, the others that crossed the same network are as dead,
 * and each would cost somebody a deadline to find that out.
 */
export class DatabasePool extends pg.Pool {
  readonly #waitingMax: number
  readonly #connectedAt = new WeakMap<pg.PoolClient, number>()
  #lastSilenceAt = Number.NEGATIVE_INFINITY

  constructor(config: pg.PoolConfig, waitingMax: number) {
    super(config)
    this.#waitingMax = waitingMax
    this.on('connect', (client) => {
      this.#connectedAt.set(client, performance.now())
      // pg also reports the loss of a connection that is in use to nobody in particular, and without a listener that would
      // end the process. Who uses it hears of the loss by the statement that fails.
      client.on('error', () => {})
    })
  }

  override connect(): Promise<pg.PoolClient>
  override connect(callback: ConnectCallback): void
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | undefined {
    const refusal = refuseSecondConnection() ?? this.#refuseCrowd()
    if (callback) {
      if (refusal) callback(refusal, undefined, () => {})
      else this.#take(callback)
      return undefined
    }
    if (refusal) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      this.#take((error, client) => (client ? resolve(client) : reject(error)))
    })
  }

  #take(callback: ConnectCallback): void {
    super.connect((error, client, done) => {
      if (client && (this.#connectedAt.get(client) ?? 0) < this.#lastSilenceAt) {
        done(true)
        this.#take(callback)
      } else callback(error, client && this.#watchRelease(client), done)
    })
  }

  /**
   * pg's pool closes a connection after every failed statement, also after a unique violation, and connecting anew costs
   * more than the statement did. An error that PostgreSQL reported about a statement says nothing against the connection,
   * unless it leaves a transaction open.
   */
  #watchRelease(client: pg.PoolClient): pg.PoolClient {
    const release = client.release
    client.release = (error) => {
      if (isSilence(error)) this.#lastSilenceAt = performance.now()
      release(isAboutStatement(error) && client.getTransactionStatus() === 'I' ? undefined : error)
    }
    return client
  }

  #refuseCrowd(): DatabaseError | null {
    if (this.waitingCount < this.#waitingMax) return null
    return new DatabaseError('POOL_EXHAUSTED', `${this.#waitingMax} callers wait for a connection to the database.`)
  }
}

/** What pg says, without a code, when `query_timeout` is over. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** SQLSTATE classes of a statement alone: 21–23 data and constraints, 25 is left out because it is the session's state. */
function isAboutStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(?:2[123]|40|42|44|P0)|^57014$/.test(error.code ?? '')
}

/**
 * Makes the pool of the server. Every connection works as the role `keyward_app`, also when the address is that of a
 * superuser. Nothing is connected until somebody asks.
 *
 * @throws DatabaseError ADDRESS_INVALID
 */
export function createPool(options: PoolOptions): DatabasePool {
  const { statementTimeoutMs = 10_000 } = options
  const pool = new DatabasePool(
    {
      // Prisma's adapter writes and reads times as if every session were in UTC.
      connectionString: withSettings(options.url, { role: APP_ROLE, timezone: 'UTC' }),
      application_name: options.applicationName ?? 'keyward',
      max: options.connectionsMax ?? 16,
      connectionTimeoutMillis: options.acquireTimeoutMs ?? 5_000,
      idleTimeoutMillis: 60_000,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + ANSWER_SLACK_MS,
      idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 30_000,
      keepAlive: true,
    },
    options.waitingMax ?? 2_000,
  )
  // Without a listener the loss of an idle connection would end the process. The pool has dropped it and connects anew.
  pool.on('error', (error) => {
    // Not the error itself, which carries the whole client. At the end the database may be faster than our good-bye.
    if (!pool.ending) options.log.warn({ reason: error.message }, 'an idle connection to the database was lost')
  })
  if (options.onStatement) observeStatements(pool, options.onStatement)
  return pool
}

function observeStatements(pool: pg.Pool, onStatement: (sql: string) => void): void {
  pool.on('connect', (client) => {
    client.query = new Proxy(client.query, {
      apply(query, self, args: readonly unknown[]) {
        const text = readStatementText(args[0])
        if (text !== null) onStatement(text)
        return Reflect.apply(query, self, args)
      },
    })
  })
}

function readStatementText(query: unknown): string | null {
  if (typeof query === 'string') return query
  if (typeof query !== 'object' || query === null || !('text' in query)) return null
  return typeof query.text === 'string' ? query.text : null
}
