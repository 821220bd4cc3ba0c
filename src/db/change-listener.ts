import pg from 'pg'
import type { Logger } from '../lib/logger.ts'

/**
 * Hears what other servers on the same database changed, by PostgreSQL's LISTEN and NOTIFY: a notification is sent with
 * the commit that caused it or not at all, and arrives in the order of commits.
 *
 * What is not heard cannot be known to be missing: a connection can be dead without a sign. So once a second the listener
 * sends a message to itself. When that has not come back for a while, everybody who trusts in hearing of changes is told
 * (`onSilence`), and told again when a new connection listens (`onSound`); what was said in between is lost.
 */
export interface ChangeListener {
  /** Resolves when the first connection listens. Rejects when there is none before the deadline. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface ChangeListenerOptions {
  readonly url: string
  readonly channel: string
  readonly log: Pick<Logger, 'info' | 'warn'>
  readonly onMessage: (payload: string) => void
  readonly onSilence: () => void
  readonly onSound: () => void
  /** Lower, and the database has more to do; higher, and silence is noticed later. */
  readonly heartbeatMs?: number
  /** How long the answer to a heartbeat may take. */
  readonly silenceMs?: number
}

const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_MS = 500
const HEARTBEAT = 'heartbeat'

export function createChangeListener(options: ChangeListenerOptions): ChangeListener {
  const { url, channel, log, onMessage, onSilence, onSound, heartbeatMs = 1_000, silenceMs = 3_000 } = options
  let client: pg.Client | null = null
  let heartbeats: NodeJS.Timeout | undefined
  let reconnecting: NodeJS.Timeout | undefined
  let lastHeardAt = 0
  let isSilent = false
  let isStopped = false

  async function connect(): Promise<void> {
    const next = new pg.Client({
      connectionString: url,
      application_name: 'keyward changes',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    })
    next.on('error', () => lose(next))
    next.on('end', () => lose(next))
    next.on('notification', ({ payload = '' }) => {
      lastHeardAt = performance.now()
      if (payload !== HEARTBEAT) onMessage(payload)
    })
    try {
      await next.connect()
      await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`)
    } catch (error) {
      discard(next)
      throw error
    }
    if (isStopped) {
      discard(next)
      return
    }
    client = next
    lastHeardAt = performance.now()
    heartbeats = setInterval(() => beat(next), heartbeatMs)
    if (isSilent) log.info('Changes of other servers are heard again.')
    isSilent = false
    onSound()
  }

  function beat(current: pg.Client): void {
    if (performance.now() - lastHeardAt > silenceMs) lose(current)
    else current.query('SELECT pg_notify($1, $2)', [channel, HEARTBEAT]).catch(() => lose(current))
  }

  /** Several signs of one loss arrive; the first counts. */
  function lose(lost: pg.Client): void {
    if (client !== lost) return
    client = null
    clearInterval(heartbeats)
    discard(lost)
    if (isStopped) return
    isSilent = true
    log.warn('Changes of other servers are not heard; keys are read again before they are trusted.')
    onSilence()
    reconnectLater()
  }

  function reconnectLater(): void {
    reconnecting = setTimeout(() => {
      connect().catch(() => {
        if (!isStopped) reconnectLater()
      })
    }, RECONNECT_MS)
  }

  return {
    start: connect,
    async stop() {
      isStopped = true
      clearInterval(heartbeats)
      clearTimeout(reconnecting)
      const current = client
      client = null
      await current?.end().catch(() => undefined)
    },
  }
}

/** Ends a connection that may be dead, without waiting for its good-bye. */
function discard(client: pg.Client): void {
  client.removeAllListeners()
  // What a broken connection still reports concerns nobody.
  client.on('error', () => {})
  client.end().catch(() => undefined)
}
