import type { Socket } from 'node:net'
import { type Answer, formatAnswer } from './answer.ts'
import { isJsonRoute, type JsonRoute, type WholeRequest } from './json-route.ts'
import { readPlainRequest } from './plain-request.ts'
import type { NameRequest } from './request-id.ts'
import type { Route } from './router.ts'

/**
 * The way of a request past Node's HTTP server, which takes longer to read a request of some hundred bytes and to write
 * its answer than all that is done in between.
 *
 *     connection ─▶ bytes ─▶ one plain request, for a JSON route? ─ yes ─▶ waits for its turn ─▶ answer ─┐
 *                     ▲                      │                                                           │
 *                     └──────────────────────┼───────────────────────────────────────────────────────────┘
 *                                            └ no ─▶ Node's server, with the bytes as they came, for good
 *
 * Every connection begins here. What is not recognised as plain (`plain-request.ts`) is not judged here: the connection is
 * handed over, and Node's parser, its limits and its answers hold from that byte on. A body that follows its head in a
 * piece of its own, as many clients send it, is waited for, a moment.
 *
 * Requests that come in one turn of the event loop are first all read, then all decided, then all answered. The kernel's code
 * and ours would otherwise push each other out of the processor's caches with every request.
 *
 * One request at a time: while one is being answered, and while a client does not read its answers, nothing more is taken
 * from the connection, so that what a client can make us keep is one request and the answers that the kernel does not take.
 */
export interface FastPath {
  accept(socket: Socket): void
  /** Whether the connection is being answered here. */
  isBusy(socket: Socket): boolean
  /** From now on each connection ends with its answer. */
  end(): void
  /** Closes the connections that wait for no answer. To be called after `end`, again and again. */
  closeIdle(): void
}

export interface FastPathDeps {
  /** Of these, JSON routes are served. */
  readonly routes: readonly Route[]
  readonly nameRequest: NameRequest
  /** Gives a connection to Node's server. What it has sent is what is read from it next. */
  readonly handOver: (socket: Socket) => void
  /** Answers a connection that sends nothing, or ends in the middle of a request, and closes it. */
  readonly refuse: (socket: Socket, reason: 'silent' | 'cut off') => void
  /** For the first byte of a connection, in milliseconds. */
  readonly silenceMaxMs: number
  /** How exact that is, in milliseconds. */
  readonly checkIntervalMs: number
}

interface Connection {
  readonly socket: Socket
  /** What has come of a request whose body is not complete. */
  held: Buffer | null
  /** When the client must have sent what is waited for; between requests, Infinity. */
  dueAt: number
  /** Gives it to Node's server, with the bytes that were taken from it. */
  readonly giveAway: (bytes: Buffer) => void
  /** From a request until its answer is written. */
  isBusy: boolean
  /** The client has sent more while it was busy. */
  isPaused: boolean
  /** The client sends nothing more: the answer that is on its way is the last one. */
  hasEnded: boolean
}

/** A request that waits for its turn. */
interface Arrival extends WholeRequest {
  readonly connection: Connection
  readonly route: JsonRoute
}

/** Higher, and the first of a crowd waits longer for the others to be decided; lower, and the caches help less. */
const TURN_MAX = 128
/**
 * For what is missing of a body, before it is left to Node: who sends it is authenticated there at once, and here when it
 * is complete.
 */
const HELD_MAX_MS = 200
/** Bytes of a request that are kept meanwhile: a head, and a short body. */
const HELD_BYTES_MAX = 16 * 1024

export function createFastPath(deps: FastPathDeps): FastPath {
  const { nameRequest, handOver, refuse, silenceMaxMs } = deps
  const routes = deps.routes.filter(isJsonRoute).map((route) => ({ route, line: `POST ${route.path} HTTP/1.1` }))
  const connections = new Map<Socket, Connection>()
  let arrivals: Arrival[] = []
  let isEnding = false

  function accept(socket: Socket): void {
    const leave = (): void => {
      connections.delete(socket)
      socket.off('data', onData).off('end', onEnd).off('close', leave)
    }
    const giveAway = (bytes: Buffer): void => {
      leave()
      // Paused, so that the bytes are kept until Node's server listens.
      socket.pause().unshift(bytes)
      handOver(socket)
      socket.off('error', ignoreError).resume()
    }
    const connection: Connection = {
      socket,
      held: null,
      dueAt: performance.now() + silenceMaxMs,
      giveAway,
      isBusy: false,
      isPaused: false,
      hasEnded: false,
    }
    const onData = (chunk: Buffer): void => {
      if (connection.isBusy) {
        connection.isPaused = true
        socket.pause().unshift(chunk)
        return
      }
      const bytes = connection.held === null ? chunk : Buffer.concat([connection.held, chunk])
      if (!receive(connection, bytes)) giveAway(bytes)
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
  function receive(connection: Connection, bytes: Buffer): boolean {
    const request = readPlainRequest(bytes)
    if (request === null) return false
    const route = findRoute(bytes, request.lineEnd)
    if (route === undefined || request.bodyEnd - request.bodyStart > route.bodyBytesMax) return false
    if (bytes.length !== request.bodyEnd) return bytes.length < request.bodyEnd && hold(connection, bytes)

    connection.held = null
    connection.dueAt = Number.POSITIVE_INFINITY
    connection.isBusy = true
    if (arrivals.length === 0) setImmediate(answerArrivals)
    const { headers, bodyStart } = request
    const requestId = nameRequest(request.requestId)
    arrivals.push({ connection, route, headers, socket: connection.socket, bytes, bodyStart, requestId })
    return true
  }

  /** By the bytes of the request line: a text of them would only be made to be compared. */
  function findRoute(bytes: Buffer, lineEnd: number): JsonRoute | undefined {
    return routes.find(({ line }) => line.length === lineEnd && startsWith(bytes, line))?.route
  }

  /** Each piece is copied with what came before it, so that a client which sends byte by byte is left to Node. */
  function hold(connection: Connection, bytes: Buffer): boolean {
    if (connection.held !== null || bytes.length > HELD_BYTES_MAX) return false
    connection.held = bytes
    connection.dueAt = performance.now() + HELD_MAX_MS
    return true
  }

  function answerArrivals(): void {
    const turn = arrivals
    arrivals = []
    for (let from = 0; from < turn.length; from += TURN_MAX) answerTogether(turn.slice(from, from + TURN_MAX))
  }

  function answerTogether(turn: readonly Arrival[]): void {
    const texts = turn.map((arrival) => {
      const answer = arrival.route.answerWhole(arrival)
      if (!(answer instanceof Promise)) return format(arrival, answer)
      void answer.then((later) => send(arrival.connection, format(arrival, later)))
      return null
    })
    for (const [place, { connection }] of turn.entries()) {
      const text = texts[place]
      if (typeof text === 'string') send(connection, text)
    }
  }

  function format({ connection, requestId }: Arrival, answer: Answer): string {
    return formatAnswer(answer, requestId, !isEnding && !connection.hasEnded)
  }

  function send(connection: Connection, text: string): void {
    const { socket } = connection
    if (!socket.writable) return
    const isTaken = socket.write(text, 'latin1')
    // Whatever else the client has sent, or still sends, is not waited for.
    if (isEnding || connection.hasEnded) socket.destroySoon()
    else if (isTaken) goOn(connection)
    else socket.once('drain', () => goOn(connection))
  }

  function goOn(connection: Connection): void {
    connection.isBusy = false
    if (connection.hasEnded) connection.socket.end()
    else if (connection.isPaused) {
      connection.isPaused = false
      connection.socket.resume()
    }
  }

  function check(): void {
    const now = performance.now()
    for (const connection of connections.values()) {
      if (connection.dueAt > now) continue
      connection.dueAt = Number.POSITIVE_INFINITY
      if (connection.held === null) refuse(connection.socket, 'silent')
      else connection.giveAway(connection.held)
    }
  }
  setInterval(check, deps.checkIntervalMs).unref()

  return {
    accept,
    isBusy: (socket) => connections.get(socket)?.isBusy === true,
    end() {
      isEnding = true
    },
    closeIdle() {
      for (const { socket, isBusy, held } of connections.values()) if (!isBusy && held === null) socket.destroy()
    },
  }
}

function startsWith(bytes: Buffer, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false
  return true
}

/** A connection that fails is closed, which is all there is to do. */
function ignoreError(): void {}
