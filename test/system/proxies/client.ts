import { type Agent, type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'

export type HeaderList = readonly (readonly [string, string])[]

export interface ClientRequest {
  readonly port: number
  readonly method?: string
  readonly path?: string
  /** Sent as they are, in this order, repeated ones too. */
  readonly headers?: HeaderList
  readonly body?: Buffer
  /** The address that the client comes from; all of 127.0.0.0/8 is this machine. */
  readonly from?: string
  readonly agent?: Agent
}

export interface ClientAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** A client of the protected service, which can be a stranger with headers of his own. */
export function send({
  port,
  method = 'GET',
  path = '/',
  headers = [],
  body,
  from,
  agent,
}: ClientRequest): Promise<ClientAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({
      port,
      host: '127.0.0.1',
      method,
      path,
      headers: ['Host', 'api.example.com', ...headers.flat()],
      agent: agent ?? false,
      ...(from !== undefined && { localAddress: from }),
    })
    call.on('error', reject)
    call.on('response', (response) => {
      const { statusCode: status = 0, headers: received } = response
      text(response).then((content) => resolve({ status, headers: received, text: content }), reject)
    })
    call.on('upgrade', (response, socket, first) => {
      const chunks: Buffer[] = [first]
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      socket.on('error', reject)
      socket.on('close', () => {
        resolve({ status: 101, headers: response.headers, text: Buffer.concat(chunks).toString() })
      })
    })
    call.end(body)
  })
}
