import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'

/**
 * Stands between a server and its PostgreSQL, and fails as networks do.
 *
 *     open ──▶ bytes pass
 *     cut ──▶ connections are reset and new ones refused: a database that stopped
 *     stalled ──▶ connections are accepted and stay, and no byte passes: a host that hangs, a firewall that drops
 */
export interface TcpProxy {
  /** The address to give to the server, with the login of the one that it replaces. */
  readonly url: string
  /** Connections from the server that are open now. */
  readonly openCount: number
  /** The most that were open at any time since the last `stall`. */
  readonly openCountMax: number
  /** Connections that were open at the last `stall` and are not given up yet. */
  readonly silencedCount: number
  cut(): Promise<void>
  stall(): void
  /**
   * Lets bytes pass again, on new connections. Those that stalled stay so for ever, as when the other end has forgotten
   * them; whoever waits on one has to notice by itself.
   */
  restore(): Promise<void>
  /** Ends the connections that stalled, for a test that is over and need not wait until they are given up. */
  resetStalled(): void
  stop(): Promise<void>
}

/** @param databaseUrl of a PostgreSQL that listens on a Unix socket. */
export async function startTcpProxy(databaseUrl: string): Promise<TcpProxy> {
  const target = new URL(databaseUrl)
  const path = join(target.searchParams.get('host') ?? '', `.s.PGSQL.${target.searchParams.get('port') ?? target.port}`)
  const open = new Set<Socket>()
  let isStalled = false
  let silenced: ReadonlySet<Socket> = new Set()
  let openCountMax = 0
  let server = await listen(0)
  const port = portOf(server)

  function listen(onPort: number): Promise<Server> {
    const listening = createServer({ allowHalfOpen: true }, accept)
    return new Promise((resolve, reject) => {
      listening.once('error', reject)
      listening.listen(onPort, '127.0.0.1', () => resolve(listening))
    })
  }

  function accept(client: Socket): void {
    open.add(client)
    openCountMax = Math.max(openCountMax, open.size)
    client.on('close', () => open.delete(client))
    client.on('error', () => {})
    // Reading it notices when the server gives up.
    if (isStalled) {
      stalled.add(client)
      client.resume().on('end', () => client.destroy())
    } else forward(client)
  }

  function forward(client: Socket): void {
    const upstream = createConnection(path)
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
    client.on('data', (bytes) => {
      if (!stalled.has(client)) upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (!stalled.has(client)) client.write(bytes)
    })
    client.on('end', () => {
      if (stalled.has(client)) client.destroy()
      else upstream.end()
    })
  }

  /** Connections on which no byte passes any more. */
  const stalled = new WeakSet<Socket>()

  async function cut(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const client of open) client.resetAndDestroy()
    await closed
  }

  const url = new URL(`postgresql://${target.username}@127.0.0.1:${port}${target.pathname}`)
  url.searchParams.set('sslmode', 'disable')
  return {
    url: url.href,
    get openCount() {
      return open.size
    },
    get openCountMax() {
      return openCountMax
    },
    get silencedCount() {
      return silenced.intersection(open).size
    },
    cut,
    stall() {
      isStalled = true
      silenced = new Set(open)
      openCountMax = open.size
      for (const client of open) stalled.add(client)
    },
    async restore() {
      isStalled = false
      if (!server.listening) server = await listen(port)
    },
    resetStalled() {
      for (const client of open) if (stalled.has(client)) client.resetAndDestroy()
    },
    stop: async () => {
      if (server.listening) await cut()
    },
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy listens on no TCP port.')
  return address.port
}
