import type { IncomingMessage, ServerResponse } from 'node:http'

/** A page of another origin can send neither this header nor a JSON body without asking first (CORS preflight). */
export const CSRF_HEADER = 'x-keyward-csrf'

const ALLOWED_HEADERS = ['authorization', 'content-type', 'x-api-key', 'x-request-id', CSRF_HEADER].join(', ')
const EXPOSED_HEADERS = ['x-request-id', 'retry-after', 'ratelimit', 'ratelimit-policy'].join(', ')
/** Seconds for which a browser need not ask again; browsers cut longer times to this. */
const PREFLIGHT_TTL_SECONDS = 7200

/** Lets pages of one of these origins read the answer, errors included (Fetch standard, "CORS protocol"). */
export function allowOrigin(req: IncomingMessage, res: ServerResponse, origins: ReadonlySet<string>): void {
  if (origins.size === 0) return
  res.setHeader('Vary', 'Origin')
  const { origin } = req.headers
  if (origin === undefined || !origins.has(origin)) return
  res.setHeader('Access-Control-Allow-Origin', origin)
  res.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS)
}

/** Answers a browser that asks whether a page may send what it wants to send. Without an allowed origin that is a no. */
export function answerPreflight(res: ServerResponse, requestId: string): void {
  if (res.hasHeader('Access-Control-Allow-Origin')) {
    res.setHeader('Access-Control-Allow-Methods', 'GET, POST')
    res.setHeader('Access-Control-Allow-Headers', ALLOWED_HEADERS)
    res.setHeader('Access-Control-Max-Age', PREFLIGHT_TTL_SECONDS)
  }
  res.writeHead(204, { Allow: 'GET, HEAD, POST, OPTIONS', 'X-Request-Id': requestId }).end()
}
