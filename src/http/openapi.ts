import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createDocsPage, DOCS_CONTENT_SECURITY_POLICY } from './docs-page.ts'
import { createAnswerSchemas } from './openapi-answer-schemas.ts'
import type { OpenApiDocument, PathItem } from './openapi-document.ts'
import { LEAK_SCHEMAS } from './openapi-leaks.ts'
import { createPathItems } from './openapi-operations.ts'
import { REQUEST_SCHEMAS } from './openapi-request-schemas.ts'
import type { Route } from './router.ts'

/**
 * `GET /openapi.json` and `GET /docs`: what the REST surface does, for machines and for people, from one description.
 *
 * The document names what is served and nothing else: of the operations that are described, those whose path is among
 * the routes.
 */
export interface RestDocumentation {
  readonly version: string
  /** Paths that are served beside these two. */
  readonly paths: readonly string[]
  /** Every code of a verdict in order of precedence, with what it means in a sentence. */
  readonly verdictCodes: Readonly<Record<string, string>>
}

const OPENAPI_PATH = '/openapi.json'
const DOCS_PATH = '/docs'

export function createRestDocumentationRoutes(documentation: RestDocumentation): readonly Route[] {
  const document = createOpenApiDocument(documentation)
  const json = JSON.stringify(document)
  const page = createDocsPage(document, documentation.verdictCodes)
  return [
    { method: 'GET', path: OPENAPI_PATH, handle: serve(json, { 'Content-Type': 'application/json' }) },
    {
      method: 'GET',
      path: DOCS_PATH,
      handle: serve(page, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': DOCS_CONTENT_SECURITY_POLICY,
        'Referrer-Policy': 'no-referrer',
      }),
    },
  ]
}

export function createOpenApiDocument({ version, paths, verdictCodes }: RestDocumentation): OpenApiDocument {
  const served = new Set([...paths, OPENAPI_PATH, DOCS_PATH])
  const items = Object.entries(createPathItems()).filter(([path]) => served.has(path))
  return {
    openapi: '3.1.1',
    info: {
      title: 'Keyward',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      summary: 'Issues, governs and verifies API keys for many tenants.',
      description:
        'The REST surface: services ask here about the keys that their clients send. Tenants, keys and their rules are managed through GraphQL at `/graphql`.',
    },
    servers: [{ url: '/', description: 'This server.' }],
    tags: [
      { name: 'verify', description: 'Whether a key may do something.' },
      { name: 'leaks', description: 'Tokens that were found in public.' },
      { name: 'operation', description: 'For whoever runs the server.' },
    ],
    paths: Object.fromEntries(items.map(([path, item]) => [path, requireVerifier(item)])),
    components: {
      schemas: { ...REQUEST_SCHEMAS, ...createAnswerSchemas(Object.keys(verdictCodes)), ...LEAK_SCHEMAS },
      securitySchemes: {
        verifier: {
          type: 'http',
          scheme: 'bearer',
          description:
            'The token of a key that holds `keyward:verify`: of a tenant, for that tenant’s keys; of the platform, for all.',
        },
        forwardVerifier: {
          type: 'apiKey',
          in: 'header',
          name: 'X-Keyward-Verifier',
          description: 'The same token, set by the proxy, because `Authorization` may hold the client’s key.',
        },
        leakReport: {
          type: 'apiKey',
          in: 'header',
          name: 'Github-Public-Key-Signature',
          description:
            'Of reports to `/leaks`: an ECDSA signature over the body as it is sent (P-256, SHA-256; base64 of DER), by a public key that the operator has configured.',
        },
      },
    },
  }
}

/** What does not say otherwise needs a verifier. */
function requireVerifier(item: PathItem): PathItem {
  const operations = Object.entries(item).map(([method, operation]) => {
    return [method, { ...operation, security: operation.security ?? [{ verifier: [] }] }]
  })
  return Object.fromEntries(operations)
}

/** Answers with a text that never changes. */
function serve(text: string, headers: Readonly<Record<string, string>>): Route['handle'] {
  const body = Buffer.from(text)
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  return (req: IncomingMessage, res: ServerResponse, requestId: string) => {
    const shared = {
      ...headers,
      'Cache-Control': 'no-cache',
      'X-Content-Type-Options': 'nosniff',
      ETag: etag,
      'X-Request-Id': requestId,
    }
    if (req.headers['if-none-match'] === etag) res.writeHead(304, shared).end()
    else res.writeHead(200, { ...shared, 'Content-Length': body.length }).end(body)
  }
}
