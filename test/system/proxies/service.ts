import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface ServiceRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly bodyBytes: number
}

/** What the proxy protects. */
export interface Service {
  readonly port: number
  /** What reached it, since the last look. */
  takeReceived(): readonly ServiceRequest[]
  stop(): Promise<void>
}

/** Answers 200 to everything, and speaks another protocol when asked to. */
export async function startService(): Promise<Service> {
  let received: ServiceRequest[] = []
  const sockets = new Set<Socket>()
  const server = createServer(async (req, res) => {
    const { method = '', url = '', headers } = req
    const body = await buffer(req)
    received.push({ method, url, headers, bodyBytes: body.length })
    res.writeHead(200, { 'Content-Type': 'text/plain' }).end('service')
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('upgrade', ({ method = '', url = '', headers }, socket) => {
    received.push({ method, url, headers, bodyBytes: 0 })
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The service listens on no port.')
  return {
    port: address.port,
    takeReceived() {
      const taken = received
      received = []
      return taken
    },
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
