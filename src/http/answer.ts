import { type ServerResponse, STATUS_CODES } from 'node:http'

/** A whole answer, before it is decided how it is sent. Everything in it is ASCII, so that lengths are lengths in bytes. */
export interface Answer {
  readonly status: number
  readonly contentType: 'application/json' | 'application/problem+json'
  /** Beside those that every answer has: a flat list of names and values. */
  readonly headers: readonly string[]
  readonly body: string
}

/** Idle connections are kept for at least that long, so that a client that goes by it never meets one that is closing. */
const KEEP_ALIVE_PROMISED_SECONDS = 60
const KEEP_ALIVE = `Connection: keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_PROMISED_SECONDS}\r\n\r\n`
const CLOSE = 'Connection: close\r\n\r\n'

/** Answers a request that Node's server read. */
export function sendAnswer(res: ServerResponse, answer: Answer, requestId: string): void {
  res.writeHead(answer.status, [
    'Content-Type',
    answer.contentType,
    'Content-Length',
    String(answer.body.length),
    'Cache-Control',
    'no-store',
    'X-Request-Id',
    requestId,
    ...answer.headers,
    'Date',
    httpDate(),
    ...(res.shouldKeepAlive
      ? ['Connection', 'keep-alive', 'Keep-Alive', `timeout=${KEEP_ALIVE_PROMISED_SECONDS}`]
      : ['Connection', 'close']),
  ])
  res.end(answer.body, 'latin1')
}

/**
 * The same answer as the text that goes over the connection. Nothing in it is checked. Of few and long parts, as every part
 * that is joined to a text is visited once more when the text is written.
 */
export function formatAnswer(answer: Answer, requestId: string, keepsAlive: boolean): string {
  const { status, contentType, headers, body } = answer
  const opening = status === 200 && contentType === 'application/json' ? OK_OPENING : formatOpening(status, contentType)
  let fields = ''
  for (let place = 0; place < headers.length; place += 2) fields += `\r\n${headers[place]}: ${headers[place + 1]}`
  return `${opening}${body.length}\r\nCache-Control: no-store\r\nX-Request-Id: ${requestId}${fields}${formatClosing(keepsAlive)}${body}`
}

/** Up to the length of the body. */
function formatOpening(status: number, contentType: Answer['contentType']): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${contentType}\r\nContent-Length: `
}

const OK_OPENING = formatOpening(200, 'application/json')

/** From the end of the last field of the answer's own to the body. */
function formatClosing(keepsAlive: boolean): string {
  const present = httpDate()
  if (!keepsAlive) return `\r\nDate: ${present}\r\n${CLOSE}`
  if (keepAliveClosing === '') keepAliveClosing = `\r\nDate: ${present}\r\n${KEEP_ALIVE}`
  return keepAliveClosing
}

let date = ''
/** With that date; nearly every answer ends its head with it. */
let keepAliveClosing = ''

/**
 * The present second as RFC 9110 §5.6.7 wants it, made once a second. The machine's own time, whatever clock decides. The
 * timer begins with the first answer, and holds no process up.
 */
function httpDate(): string {
  if (date !== '') return date
  const now = new Date()
  date = now.toUTCString()
  setTimeout(forgetDate, MILLISECONDS - now.getMilliseconds()).unref()
  return date
}

function forgetDate(): void {
  date = ''
  keepAliveClosing = ''
}

const MILLISECONDS = 1_000
