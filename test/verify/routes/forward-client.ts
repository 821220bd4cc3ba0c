import { type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface ForwardCall {
  readonly port: number
  readonly method?: string
  /** With the question mark. */
  readonly query?: string
  /** Sent as they are, in this order, repeated ones too. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: string | Buffer
}

export interface ForwardReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly text: string
}

/** Asks `/verify/forward` as a reverse proxy does. `fetch` would join repeated headers and add some of its own. */
export function askForward({ port, method = 'GET', query = '', headers, body }: ForwardCall): Promise<ForwardReply> {
  return new Promise((resolve, reject) => {
    const call = request({
      port,
      host: '127.0.0.1',
      method,
      path: `/verify/forward${query}`,
      headers: ['Host', 'keyward', ...headers.flat()],
      agent: false,
    })
    call.on('error', reject)
    call.on('response', (response) => {
      const { statusCode: status = 0, headers: received, rawHeaders } = response
      text(response).then((content) => resolve({ status, headers: received, rawHeaders, text: content }), reject)
    })
    call.end(body)
  })
}
