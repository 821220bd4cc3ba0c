import type { Socket } from 'node:net'
import { type Answer, formatAnswer } from './answer.ts'
import { isJsonRoute, type JsonRoute } from './json-route.ts'
import { readPlainRequest } from './plain-request.ts'
import type { NameRequest } from './request-id.ts'
import type { Route } from './router.ts'

/**
 * The way of a request past Node's HTTP server, which takes longer to read a request of some hundred bytes and to write
 * its answer than all that is done in between.
 *
 *     connection ─▶ bytes ─▶ one plain request, for a JSON route? ─ yes ─▶ answer ─┐
 *                     ▲                      │                                     │
 *                     └──────────────────────┼─────────────────────────────────────┘
 *                                            └ no ─▶ Node's server, with the bytes as they came, for good
 *
 * Every connection begins here. What is not recognised as plain (`plain-request.ts`) is not judged here: the connection is
 * handed over, and Node's parser, its limits and its answers hold from that byte on. A body that has not come whole with
 * its head, as many clients send it, is waited for.
 *
 * One request at a time: while one is being answered, and while a client does not read its answers, nothing more is read
 * from the connection, so that what a client can make us keep is one request and the answers that the kernel does not take.
 */
export interface FastPath {
  accept(socket: Socket): void
  /** Whether the connection is being answered here. */
  isBusy(socket: Socket): boolean
  /** From now on each connection ends with its answer, and those that wait for none are closed. May be called again. */
  end(): void
}

export interface FastPathDeps {
  /** Of these, JSON routes are served. */
  readonly routes: readonly Route[]
  readonly nameRequest: NameRequest
  /** Gives a connection to Node's server. What it has sent is what is read from it next. */
  readonly handOver: (socket: Socket) => void
  /** Answers a connection that sends too slowly, or ends in the middle, and closes it. */
  readonly refuse: (socket: Socket, reason: 'too slow' | 'cut off') => void
  /** For the first byte of a connection, in milliseconds. */
  readonly silenceMaxMs: number
  /** For what is missing of a body, in milliseconds. */
  readonly bodyMaxMs: number
  /** How exact these times are, in milliseconds. */
  readonly checkIntervalMs: number
}

interface Connection {
  /** What has come of a request whose body is not complete. */
  held: Buffer | null
  /** When the client must have sent what is waited for; between requests, Infinity. */
  dueAt: number
  isBusy: boolean
  /** The client sends nothing more: the answer that is on its way is the last one. */
  hasEnded: boolean
}

export function createFastPath(deps: FastPathDeps): FastPath {
  const { nameRequest, handOver, refuse, silenceMaxMs, bodyMaxMs } = deps
  const routes = new Map<string, JsonRoute>()
  for (const route of deps.routes) if (isJsonRoute(route)) routes.set(`POST ${route.path} HTTP/1.1`, route)
  const connections = new Map<Socket, Connection>()
  let isEnding = false

  function accept(socket: Socket): void {
    const connection: Connection = {
      held: null,
      dueAt: performance.now() + silenceMaxMs,
      isBusy: false,
      hasEnded: false,
    }
    const leave = (): void => {
      connections.delete(socket)
      socket.off('data', onData).off('end', onEnd).off('close', leave)
    }
    const onData = (chunk: Buffer): void => {
      const bytes = connection.held === null ? chunk : Buffer.concat([connection.held, chunk])
      if (receive(socket, connection, bytes)) return
      leave()
      // Paused, so that the bytes are kept until Node's server listens.
      socket.pause()
      socket.unshift(bytes)
      handOver(socket)
      socket.off('error', ignoreError).resume()
    }
    const onEnd = (): void => {
      connection.hasEnded = true
      if (connection.held !== null) refuse(socket, 'cut off')
      else if (!connection.isBusy) socket.end()
    }
    connections.set(socket, connection)
    socket.on('data', onData).on('end', onEnd).on('close', leave).on('error', ignoreError)
  }

  /** False when the bytes are for Node's server. */
  function receive(socket: Socket, connection: Connection, bytes: Buffer): boolean {
    const request = readPlainRequest(bytes)
    if (request === null) return false
    const route = routes.get(request.line)
    if (route === undefined || request.bodyEnd - request.bodyStart > route.bodyBytesMax) return false
    if (bytes.length !== request.bodyEnd) return bytes.length < request.bodyEnd && hold(connection, bytes)

    connection.held = null
    connection.dueAt = Number.POSITIVE_INFINITY
    const head = {
      headers: { authorization: request.authorization, 'x-forwarded-for': request.forwardedFor },
      socket,
    }
    const requestId = nameRequest(request.requestId)
    const answer = route.answerWhole(head, bytes.subarray(request.bodyStart), requestId)
    if (answer instanceof Promise) answerLater(socket, connection, answer, requestId)
    else send(socket, connection, answer, requestId)
    return true
  }

  /** Each piece is copied with what came before it, so that a client which sends byte by byte is left to Node. */
  function hold(connection: Connection, bytes: Buffer): boolean {
    if (connection.held !== null) return false
    connection.held = bytes
    connection.dueAt = performance.now() + bodyMaxMs
    return true
  }

  function answerLater(socket: Socket, connection: Connection, answering: Promise<Answer>, requestId: string): void {
    setBusy(socket, connection, true)
    void answering.then((answer) => {
      setBusy(socket, connection, false)
      send(socket, connection, answer, requestId)
    })
  }

  function send(socket: Socket, connection: Connection, answer: Answer, requestId: string): void {
    if (!socket.writable) return
    const isLast = isEnding || connection.hasEnded
    const isTaken = socket.write(formatAnswer(answer, requestId, !isLast), 'latin1')
    if (isLast) socket.end()
    else if (!isTaken) {
      setBusy(socket, connection, true)
      socket.once('drain', () => {
        if (connection.hasEnded) socket.end()
        else setBusy(socket, connection, false)
      })
    }
  }

  function setBusy(socket: Socket, connection: Connection, isBusy: boolean): void {
    connection.isBusy = isBusy
    if (isBusy) socket.pause()
    else socket.resume()
  }

  function check(): void {
    const now = performance.now()
    for (const [socket, connection] of connections) {
      if (connection.dueAt > now) continue
      connection.dueAt = Number.POSITIVE_INFINITY
      refuse(socket, 'too slow')
    }
  }
  const timer = setInterval(check, deps.checkIntervalMs).unref()

  return {
    accept,
    isBusy: (socket) => connections.get(socket)?.isBusy === true,
    end() {
      isEnding = true
      clearInterval(timer)
      for (const [socket, { isBusy, held }] of connections) if (!isBusy && held === null) socket.destroy()
    },
  }
}

/** A connection that fails is closed, which is all there is to do. */
function ignoreError(): void {}
