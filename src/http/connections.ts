import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * The open connections of a server. Those that nobody uses are closed after a while, found by one look at all of them
 * now and then: Node's own `keepAliveTimeout` sets a timer anew with every request.
 */
export interface Connections {
  all(): Iterable<Socket>
  add(socket: Socket): void
  /** Ends the looking around; the connections stay. */
  stop(): void
}

interface Use {
  bytesRead: number
  /** What waits to be taken by the client. */
  writableLength: number
  /** How many looks in a row found it idle. */
  idleLooks: number
}

/** A connection is closed between `idleMs` and an eighth more after it was last used. */
const LOOKS = 8

/**
 * @param idleMs how long a connection may be idle, in milliseconds
 * @param isBusy whether a connection is in use although nothing comes from it
 */
export function createConnections(idleMs: number, isBusy: (socket: Socket) => boolean): Connections {
  const uses = new Map<Socket, Use>()

  function look(): void {
    for (const [socket, use] of uses) {
      const { bytesRead, writableLength } = socket
      const hasMoved = bytesRead !== use.bytesRead || writableLength !== use.writableLength
      // One whose client does not take its answer is not busy: nobody knows for how long that would be.
      if (hasMoved || (isBusy(socket) && writableLength === 0)) {
        use.bytesRead = bytesRead
        use.writableLength = writableLength
        use.idleLooks = 0
      } else if (++use.idleLooks > LOOKS) {
        socket.destroy()
      }
    }
  }
  const timer = setInterval(look, idleMs / LOOKS).unref()

  return {
    all: () => uses.keys(),
    add(socket) {
      uses.set(socket, { bytesRead: 0, writableLength: 0, idleLooks: 0 })
      socket.on('close', () => uses.delete(socket))
    },
    stop: () => clearInterval(timer),
  }
}

/** The answer that a connection is busy with. Node keeps it in `_httpMessage`, and has no public way to ask for it. */
export function findAnswer(socket: Duplex): ServerResponse | null {
  const message = '_httpMessage' in socket ? socket._httpMessage : null
  return message instanceof ServerResponse ? message : null
}

/** Whether it was upgraded: then Node's server has no parser for it any more, and it is whoever's took it over. */
export function isUpgraded(socket: Socket): boolean {
  return 'parser' in socket && socket.parser === null
}
