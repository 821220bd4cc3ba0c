import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { GraphiQLOptions } from 'graphql-yoga'

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

/** What a newcomer finds: all in one document, because headers belong to a tab. */
const WELCOME = `# Ctrl-Enter runs the operation at the cursor,
# Ctrl-Space completes.

# 1. The first start printed the password.
#    Put it into the Variables below.
mutation LogIn($login: SessionCreateInput!) {
  sessionCreate(input: $login) {
    ... on SessionCreatePayload {
      accessToken
    }
    ... on UserError {
      code
      message
    }
  }
}

# 2. Put the accessToken into the Headers below,
#    where it is good for 15 minutes:
#    { "authorization": "Bearer <accessToken>" }
query Tenants {
  tenants(first: 10) {
    nodes {
      id
      slug
      name
    }
  }
}

# 3. Put the id of a tenant into the Variables.
#    The token is shown this once.
mutation CreateKey($key: ApiKeyCreateInput!) {
  apiKeyCreate(input: $key) {
    ... on ApiKeyCreatePayload {
      token
    }
    ... on UserError {
      code
      message
      path
    }
  }
}
`

const WELCOME_VARIABLES = {
  login: { email: 'admin@keyward.local', password: '' },
  key: { tenantId: '', name: 'my first key', environment: 'TEST' },
}

/**
 * `variables` and `storage` are read by the page and missing in the type. Headers hold a session, variables a password, and
 * answers to be run again a token: with no storage, nothing of what is typed stays in the browser.
 */
const OPTIONS: GraphiQLOptions & { readonly variables: string; readonly storage: null } = {
  title: 'Keyward GraphiQL',
  endpoint: '/graphql',
  defaultQuery: WELCOME,
  variables: JSON.stringify(WELCOME_VARIABLES, null, 2),
  shouldPersistHeaders: false,
  storage: null,
}

/** The page would write each document that is typed into its address, and so into histories and logs of proxies. */
const KEEP_ADDRESS = '<script>history.replaceState = () => {}</script>'

let page: Promise<Page> | null = null

/** The page is 9 MB and rarely asked for, so it is made when somebody first does. */
async function renderPage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const html = Buffer.from(renderGraphiQL(OPTIONS).replace('<body', `${KEEP_ADDRESS}<body`))
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
