import { connect, type Socket } from 'node:net'
import { benchToken, KEY_COUNT, VERIFIER_INDEX } from './keys.ts'

/**
 * The load: keep-alive connections that each send the next request when the answer to the last one is complete. Raw
 * sockets and requests that were built beforehand, so that on a machine of two cores it is the server that is measured.
 *
 * Asked through IPC, so that its own start is no part of a measurement.
 */
export interface LoadOrder {
  readonly port: number
  readonly connections: number
  readonly durationMs: number
}

export interface LoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const HEAD_END = Buffer.from('\r\n\r\n')
const CONTENT_LENGTH = /content-length: (\d+)/i

const requests = buildRequests()

function buildRequests(): Buffer[] {
  const verifier = benchToken(VERIFIER_INDEX)
  return Array.from({ length: KEY_COUNT }, (_, index) => {
    const body = JSON.stringify({ key: benchToken(index), scopes: ['orders:read'] })
    const head = [
      'POST /verify HTTP/1.1',
      'Host: 127.0.0.1',
      `Authorization: Bearer ${verifier}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ]
    return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
  })
}

/** Times of one connection's answers, in microseconds. */
type OnAnswer = (micros: number) => void

function runConnection(port: number, onAnswer: OnAnswer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let sentAt = 0
    let missing = 0

    function send(): void {
      const request = requests[Math.floor(Math.random() * requests.length)]
      if (request === undefined) throw new Error('There are no requests.')
      sentAt = performance.now()
      socket.write(request)
    }

    socket.on('data', (chunk: Buffer) => {
      missing = missing > 0 ? missing - chunk.length : answerBytes(chunk) - chunk.length
      if (missing > 0) return
      if (missing < 0) throw new Error('More came than one answer.')
      onAnswer((performance.now() - sentAt) * 1000)
      send()
    })
    socket.on('error', reject)
    socket.on('connect', () => {
      resolve(socket)
      send()
    })
  })
}

/** The length of the answer that a chunk begins. The head always comes in one piece, written at once by both servers. */
function answerBytes(chunk: Buffer): number {
  const headEnd = chunk.indexOf(HEAD_END)
  const head = chunk.toString('latin1', 0, headEnd)
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`Answered with:\n${chunk.toString()}`)
  return headEnd + HEAD_END.length + Number(CONTENT_LENGTH.exec(head)?.[1])
}

async function run({ port, connections, durationMs }: LoadOrder): Promise<LoadResult> {
  const times: number[] = []
  const startedAt = performance.now()
  const sockets = await Promise.all(
    Array.from({ length: connections }, () => runConnection(port, (micros) => times.push(micros))),
  )
  await new Promise((resolve) => setTimeout(resolve, durationMs))
  const seconds = (performance.now() - startedAt) / 1000
  const measured = Float64Array.from(times).sort()
  for (const socket of sockets) socket.destroy()
  return {
    requests: measured.length,
    requestsPerSecond: measured.length / seconds,
    p50Ms: quantile(measured, 0.5),
    p99Ms: quantile(measured, 0.99),
  }
}

function quantile(sorted: Float64Array, share: number): number {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN) / 1000
}

function isOrder(message: unknown): message is LoadOrder {
  return typeof message === 'object' && message !== null && 'port' in message
}

process.on('message', async (message: unknown) => {
  if (!isOrder(message)) return
  process.send?.(await run(message))
})
process.on('disconnect', () => process.exit())
