import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Logger } from '../lib/logger.ts'
import { formatAnswer } from './answer.ts'
import { createConnections, findAnswer, isUpgraded } from './connections.ts'
import { createFastPath } from './fast-path.ts'
import { sendProblem, toProblemAnswer } from './problem.ts'
import type { NameRequest } from './request-id.ts'
import { createRouter, type Handler, type Route } from './router.ts'

/**
 * The HTTP server: finds the handler, gives the request its id, turns failures into problem details, and ends in order.
 *
 *     connection ─▶ plain request for a JSON route ─▶ answer                            (fast-path.ts)
 *          │
 *          └─ any other ─▶ headers ─▶ route ─▶ handler ─▶ answer
 *          │                 │         │         │
 *          │                 │         │         └─ throws ──────────▶ the error's status, or 500 INTERNAL
 *          │                 │         └─ unknown path or method ────▶ 404, 405 with Allow
 *          │                 └─ malformed, too large, too slow ──────▶ 400, 431, 408, and the connection closes
 *          └─ idle ──────────────────────────────────────────────────▶ closes
 */
export interface HttpServer {
  /** For what attaches itself to the server, such as a WebSocket's `upgrade`. */
  readonly server: Server
  /** Resolves with the address once connections are accepted. */
  listen(address: ListenAddress): Promise<AddressInfo>
  /**
   * Accepts no more connections, lets requests under way finish, closes idle connections. What is still open at the
   * deadline is cut off. May be called again.
   */
  stop(deadlineMs: number): Promise<void>
}

export interface ListenAddress {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
}

export interface HttpServerOptions {
  readonly routes: readonly Route[]
  /** Takes the paths that no route has. */
  readonly fallback?: Handler
  readonly nameRequest: NameRequest
  readonly logger: Pick<Logger, 'error'>
  /** Lower, and slow clients are cut off; higher, and they hold a connection for longer by sending nothing. */
  readonly headersTimeoutMs?: number
  /** For a whole request, headers and body. */
  readonly requestTimeoutMs?: number
  /** Longer than the usual 60 s of load balancers, so that it is they who close, never while a request is on its way. */
  readonly keepAliveTimeoutMs?: number
}

const HEADERS_BYTES_MAX = 16 * 1024
/** How exact the timeouts are. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000
const IDLE_CHECK_INTERVAL_MS = 50

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { nameRequest, logger, requestTimeoutMs = 15_000 } = options
  const headersTimeoutMs = Math.min(options.headersTimeoutMs ?? 10_000, requestTimeoutMs)
  const findHandler = createRouter(options.routes, options.fallback)
  let stopping: Promise<void> | null = null

  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // The connections look after that themselves.
      keepAliveTimeout: 0,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      maxHeaderSize: HEADERS_BYTES_MAX,
    },
    dispatch,
  )
  const fastPath = createFastPath({
    routes: options.routes,
    nameRequest,
    handOver: takeOverConnections(server),
    refuse: (socket, reason) => refuse(socket, reason === 'silent' ? TOO_SLOW : MALFORMED),
    silenceMaxMs: headersTimeoutMs,
    checkIntervalMs: TIMEOUT_CHECK_INTERVAL_MS,
  })
  const connections = createConnections(
    options.keepAliveTimeoutMs ?? 72_000,
    (socket) => fastPath.isBusy(socket) || findAnswer(socket) !== null || isUpgraded(socket),
  )
  server.on('connection', (socket) => {
    connections.add(socket)
    fastPath.accept(socket)
  })
  server.on('clientError', (error, socket) => {
    const code = 'code' in error ? error.code : undefined
    // Nothing may be written into the middle of an answer that has begun.
    if (code === 'ECONNRESET' || !socket.writable || findAnswer(socket)?.headersSent) socket.destroy()
    else refuse(socket, toClientProblem(code))
  })

  function dispatch(req: IncomingMessage, res: ServerResponse): void {
    const requestId = nameRequest(req.headers['x-request-id'])
    // The client learns with this answer that the connection ends, and sends its next request elsewhere.
    if (stopping !== null) res.shouldKeepAlive = false
    try {
      const answering = findHandler(req.method ?? '', req.url ?? '')(req, res, requestId)
      if (answering instanceof Promise) {
        answering.catch((error: unknown) => sendProblem(res, error, requestId, logger))
      }
    } catch (error) {
      sendProblem(res, error, requestId, logger)
    }
  }

  /** Answers what never became a request, and closes the connection. */
  function refuse(socket: Duplex, problem: KeywardError): void {
    const requestId = nameRequest(undefined)
    const text = formatAnswer(toProblemAnswer(problem, requestId, logger), requestId, false)
    socket.end(text, 'latin1', () => socket.destroy())
  }

  async function stop(deadlineMs: number): Promise<void> {
    if (!server.listening) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    fastPath.end()
    for (const socket of connections.all()) {
      const answer = findAnswer(socket)
      if (answer !== null) answer.shouldKeepAlive = false
    }
    // Connections become idle one after another as their last answers end; Node closes those that are idle when asked.
    const closeIdle = setInterval(() => {
      // When everything was read that had arrived: what was on its way is answered.
      setImmediate(fastPath.closeIdle)
      server.closeIdleConnections()
    }, IDLE_CHECK_INTERVAL_MS)
    // Upgraded connections are no longer the HTTP server's, so that all sockets are known here.
    const cutOff = setTimeout(() => {
      for (const socket of connections.all()) socket.destroy()
    }, deadlineMs)
    await closed
    connections.stop()
    clearInterval(closeIdle)
    clearTimeout(cutOff)
  }

  return {
    server,
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          const address = server.address()
          if (address === null || typeof address === 'string') reject(new Error('The server listens on no TCP port.'))
          else resolve(address)
        })
      }),
    stop(deadlineMs) {
      stopping ??= stop(deadlineMs)
      return stopping
    },
  }
}

/**
 * Takes new connections away from Node's server, and returns what gives one back. An HTTP server does all that it does with a
 * connection in its own listener of `connection`, and Node's documentation allows to hand it any stream that way.
 */
function takeOverConnections(server: Server): (socket: Socket) => void {
  const [serve, ...others] = server.listeners('connection')
  if (serve === undefined || others.length > 0) throw new Error('Node takes connections in an unknown way.')
  server.removeAllListeners('connection')
  return (socket) => Reflect.apply(serve, server, [socket])
}

const TOO_SLOW = new KeywardError('REQUEST_TIMEOUT', 'The request did not arrive whole in time.')
const MALFORMED = new KeywardError('VALIDATION_FAILED', 'The request is not valid HTTP.')

function toClientProblem(code: unknown): KeywardError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new KeywardError('HEADERS_TOO_LARGE', `Headers may have at most ${HEADERS_BYTES_MAX} bytes.`)
  }
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? TOO_SLOW : MALFORMED
}
