import type { IncomingMessage, ServerResponse } from 'node:http'

/** What a reverse proxy is told. */
export interface ForwardAnswer {
  readonly status: number
  /** The code of the verdict, or of the error. */
  readonly code: string
  /** Beside those that every answer has: a flat list of names and values. */
  readonly headers: readonly string[]
  /** Problem details in ASCII; null for an answer without a body. */
  readonly body: string | null
}

/** Lower, and a proxy that is still sending may lose the answer; higher, and a stalled one keeps its connection longer. */
const LINGER_MS = 500

/**
 * Answers, whatever the request brings along. A proxy has no reason to send the body of the request that it asks about; some
 * are set up to do so all the same, and some announce its length and then send nothing. Therefore a body is
 * neither waited for nor kept: the answer goes out at once, what arrives is thrown away, and the connection ends. To keep it for another
 * request would be to trust the announced length: the next request could be swallowed as what is missing of this one.
 *
 * The connection ends only when the body has passed or a moment later. Were it closed at once, bytes that nobody
 * read would make the kernel reset it, and the answer could be lost on its way.
 */
export function sendForwardAnswer(
  req: IncomingMessage,
  res: ServerResponse,
  answer: ForwardAnswer,
  requestId: string,
): void {
  const hasBody = announcesBody(req)
  res.writeHead(answer.status, [
    'X-Keyward-Code',
    answer.code,
    ...answer.headers,
    'Cache-Control',
    'no-store',
    'X-Request-Id',
    requestId,
    ...(answer.body === null
      ? []
      : ['Content-Type', 'application/problem+json', 'Content-Length', String(answer.body.length)]),
    ...(hasBody ? ['Connection', 'close'] : []),
  ])
  if (!hasBody) {
    res.end(answer.body ?? undefined, 'latin1')
    return
  }
  res.flushHeaders()
  if (answer.body !== null) res.write(answer.body, 'latin1')
  endAfterBody(req, res)
}

function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function endAfterBody(req: IncomingMessage, res: ServerResponse): void {
  const end = (): void => void res.end()
  const timer = setTimeout(end, LINGER_MS)
  res.once('close', () => clearTimeout(timer))
  req.once('end', end)
  req.resume()
}
