import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

interface Page {
  readonly html: Buffer
  readonly compressed: Buffer
  readonly etag: string
}

/** Everything is in the page itself; it may talk to this server and to nobody else. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' blob:",
  "style-src 'unsafe-inline'",
  'font-src data:',
  'worker-src blob:',
  'img-src data:',
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const WELCOME = `# Log in, copy the accessToken, and put it into the Headers tab below:
# { "authorization": "Bearer <accessToken>" }

mutation LogIn($input: SessionCreateInput!) {
  sessionCreate(input: $input) {
    ... on SessionCreatePayload { accessToken user { email } }
    ... on UserError { code message }
  }
}

query Tenants {
  tenants(first: 10) { nodes { id slug name status } }
}
`

let page: Promise<Page> | null = null

/** The page is 9 MB and rarely asked for, so it is made when somebody first does. */
async function renderPage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const html = Buffer.from(renderGraphiQL({ title: 'Keyward GraphiQL', defaultQuery: WELCOME, endpoint: '/graphql' }))
  const compressed = await promisify(gzip)(html)
  return { html, compressed, etag: `"${createHash('sha256').update(html).digest('base64url')}"` }
}

/** Whether a browser asks for the page rather than a client for data. */
export function wantsGraphiql(req: IncomingMessage): boolean {
  return (req.method === 'GET' || req.method === 'HEAD') && (req.headers.accept ?? '').includes('text/html')
}

/** Answers with GraphiQL, compressed where the browser can read that. */
export async function sendGraphiql(req: IncomingMessage, res: ServerResponse, requestId: string): Promise<void> {
  page ??= renderPage()
  const { html, compressed, etag } = await page
  const headers = {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
    Vary: 'Accept, Accept-Encoding',
    ETag: etag,
    'X-Request-Id': requestId,
  }
  if (req.headers['if-none-match'] === etag) {
    res.writeHead(304, headers).end()
    return
  }
  const gzipped = /\bgzip\b/.test(String(req.headers['accept-encoding'] ?? ''))
  const body = gzipped ? compressed : html
  res.writeHead(200, { ...headers, ...(gzipped && { 'Content-Encoding': 'gzip' }), 'Content-Length': body.length })
  res.end(req.method === 'HEAD' ? undefined : body)
}
