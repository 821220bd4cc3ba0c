import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface VerifyClientAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: Record<string, unknown>
}

/** Verifies over as many connections as there are requests at a time, and keeps them for the next ones. */
export interface VerifyClient {
  ask(body: Record<string, unknown>, options?: AskOptions): Promise<VerifyClientAnswer>
  /** The code of the verdict, or of the problem. */
  codeOf(body: Record<string, unknown>, options?: AskOptions): Promise<unknown>
  /** All at once; how often each code was answered. */
  flood(bodies: readonly Record<string, unknown>[], options?: AskOptions): Promise<Record<string, number>>
  close(): void
}

export interface AskOptions {
  readonly verifier?: string
  readonly requestId?: string
  /** Absent: `/verify`. */
  readonly path?: '/verify' | '/verify/batch' | '/verify/signature'
}

export function createVerifyClient(baseUrl: string, verifier: string): VerifyClient {
  const agent = new Agent({ keepAlive: true })

  function ask(body: Record<string, unknown>, options: AskOptions = {}): Promise<VerifyClientAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<VerifyClientAnswer>()
    const headers = {
      authorization: `Bearer ${options.verifier ?? verifier}`,
      'content-type': 'application/json',
      ...(options.requestId !== undefined && { 'x-request-id': options.requestId }),
    }
    const sent = request(baseUrl + (options.path ?? '/verify'), { method: 'POST', agent, headers }, (res) => {
      text(res).then(
        (answer) =>
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text: answer, body: JSON.parse(answer) }),
        reject,
      )
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
    return promise
  }

  async function codeOf(body: Record<string, unknown>, options?: AskOptions): Promise<unknown> {
    return (await ask(body, options)).body.code
  }

  return {
    ask,
    codeOf,
    async flood(bodies, options) {
      const codes = await Promise.all(bodies.map((body) => codeOf(body, options)))
      const counts: Record<string, number> = {}
      for (const code of codes) counts[String(code)] = (counts[String(code)] ?? 0) + 1
      return counts
    },
    close: () => agent.destroy(),
  }
}

/** So many requests for one key. */
export function times(count: number, body: Record<string, unknown>): Record<string, unknown>[] {
  return Array.from({ length: count }, () => body)
}
