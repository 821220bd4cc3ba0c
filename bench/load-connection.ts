import { connect } from 'node:net'

/** One keep-alive connection, with one request at a time. */
export interface LoadConnection {
  /** `onAnswer` is called when the answer is complete; before that nothing else may be sent. */
  send(request: Buffer, onAnswer: OnAnswer): void
  close(): void
}

export type OnAnswer = (answer: { readonly isValid: boolean; readonly isRefused: boolean }) => void

const HEAD_END = Buffer.from('\r\n\r\n')
const CONTENT_LENGTH = /content-length: (\d+)/i
const OK = 'HTTP/1.1 200'

/**
 * Raw sockets: an HTTP client would cost more than the servers that are measured. An answer is valid when its body begins
 * with `validStart`.
 */
export function openConnection(port: number, validStart: string): Promise<LoadConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let onAnswer: OnAnswer | null = null
    let missingBytes = 0
    let isValid = false
    let isRefused = false

    /** The head always comes in one piece: all servers write it at once. */
    function readHead(chunk: Buffer): void {
      const headEnd = chunk.indexOf(HEAD_END)
      const head = chunk.toString('latin1', 0, headEnd)
      const bodyStart = headEnd + HEAD_END.length
      missingBytes = bodyStart + Number(CONTENT_LENGTH.exec(head)?.[1])
      if (Number.isNaN(missingBytes)) throw new Error(`An answer without a length:\n${chunk}`)
      isRefused = !head.startsWith(OK)
      isValid = chunk.toString('latin1', bodyStart, bodyStart + validStart.length) === validStart
    }

    socket.on('data', (chunk: Buffer) => {
      if (missingBytes === 0) readHead(chunk)
      missingBytes -= chunk.length
      if (missingBytes > 0) return
      if (missingBytes < 0 || onAnswer === null) throw new Error('More came than one answer.')
      const tell = onAnswer
      onAnswer = null
      tell({ isValid, isRefused })
    })
    socket.on('error', reject)
    socket.on('connect', () => {
      resolve({
        send(request, whenAnswered) {
          onAnswer = whenAnswered
          socket.write(request)
        },
        close: () => socket.destroy(),
      })
    })
  })
}
