import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** Stands between the proxy and Keyward, counts connections, and can be cut. */
export interface Relay {
  readonly port: number
  readonly connectionCount: number
  /** While true, every connection is closed at once. */
  isCut: boolean
  stop(): Promise<void>
}

export async function startRelay(targetPort: number): Promise<Relay> {
  const sockets = new Set<Socket>()
  let connectionCount = 0
  let isCut = false
  const server = createServer((incoming) => {
    if (isCut) {
      incoming.destroy()
      return
    }
    connectionCount++
    const outgoing = connect({ port: targetPort, host: '127.0.0.1' })
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => sockets.delete(socket))
      socket.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The relay listens on no port.')

  function destroyAll(): void {
    for (const socket of sockets) socket.destroy()
  }

  return {
    port: address.port,
    get connectionCount() {
      return connectionCount
    },
    get isCut() {
      return isCut
    },
    set isCut(cut) {
      isCut = cut
      if (cut) destroyAll()
    },
    async stop() {
      server.close()
      destroyAll()
      await once(server, 'close')
    },
  }
}
