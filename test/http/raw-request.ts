import { connect } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

export interface RawRequest {
  readonly port: number
  /** Sent as they are, one after the other. */
  readonly parts: readonly (string | Buffer)[]
}

/** Sends bytes as they are and returns what comes back until the server closes the connection. */
export function sendRaw({ port, parts }: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(chunks).toString('utf8'))))
    socket.on('connect', () => {
      for (const part of parts) socket.write(part)
    })
  })
}

function parseAnswer(text: string): RawAnswer {
  const headEnd = text.indexOf('\r\n\r\n')
  const head = headEnd === -1 ? text : text.slice(0, headEnd)
  return { status: Number(head.split(' ')[1]), head, body: headEnd === -1 ? '' : text.slice(headEnd + 4) }
}
