import { ServerResponse } from 'node:http'

/**
 * An answer whose head can be given as text. Node's own way goes through the header fields one by one, checks each name
 * and each character, and looks for those that it would add: for an answer of some hundred bytes that is a good part of
 * all its work, and for headers that we wrote ourselves it finds nothing.
 *
 * `_header` and `_last` are how Node's `writeHead` hands the head over to `end`. They have no types, and a test compares
 * what comes of them with what `writeHead` sends.
 */
export class DirectResponse extends ServerResponse {
  /** The head as it will be sent, once there is one. */
  declare private _header: string | null
  /** Whether the connection ends with this answer. */
  declare private _last: boolean

  /**
   * Sends a whole answer of JSON, with status 200. All arguments are ASCII, and nothing in them is checked. `fields` are
   * lines of further header fields, each ended by CRLF.
   */
  sendJson(body: string, requestId: string, fields = ''): void {
    this._last = !this.shouldKeepAlive
    this._header =
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
      `Cache-Control: no-store\r\nX-Request-Id: ${requestId}\r\n${fields}` +
      `Date: ${httpDate()}\r\n${this.shouldKeepAlive ? KEEP_ALIVE : CLOSE}\r\n`
    this.end(body, 'latin1')
  }
}

/** Idle connections are kept for at least that long, so that a client that goes by it never meets one that is closing. */
const KEEP_ALIVE_PROMISED_SECONDS = 60
const KEEP_ALIVE = `Connection: keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_PROMISED_SECONDS}\r\n`
const CLOSE = 'Connection: close\r\n'

let dateSecond = Number.NaN
let date = ''

/** The present second as RFC 9110 §5.6.7 wants it, made once a second. The machine's own time, whatever clock decides. */
function httpDate(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    date = new Date(second * 1000).toUTCString()
  }
  return date
}
