import type { OpenApiResponse, Operation, Parameter, PathItem } from './openapi-document.ts'
import { LIMIT_HEADERS, RETRY_AFTER, TEXT } from './openapi-headers.ts'
import { ref } from './openapi-reference.ts'

const FORWARD_PARAMETERS: readonly Parameter[] = [
  {
    name: 'scopes',
    in: 'query',
    description: 'All of them are needed.',
    style: 'form',
    explode: false,
    schema: { type: 'array', maxItems: 100, items: { type: 'string', maxLength: 100 } },
  },
  {
    name: 'limitStatus',
    in: 'query',
    description: 'The status for limits, quotas and credits, for proxies that turn 429 into 500.',
    schema: { enum: ['403', '429'], default: '429' },
  },
  {
    name: 'X-API-Key',
    in: 'header',
    description:
      'The key. It may come in `Authorization: Bearer` or `Authorization: ApiKey` instead; two different keys are refused.',
    schema: TEXT,
  },
  header('X-Forwarded-Method', 'Method of the protected request; or `X-Original-Method`.'),
  header('X-Forwarded-Uri', 'Path and query of the protected request; or `X-Original-URI`.'),
  header('X-Forwarded-For', 'Address of the client. Believed from trusted proxies alone.'),
  header('User-Agent', 'Of the protected request.'),
  header('Origin', 'Of the protected request.'),
]

function header(name: string, description: string): Parameter {
  return { name, in: 'header', description, schema: TEXT }
}

const CODE = { 'X-Keyward-Code': { description: 'The code of the verdict, or of the error.', schema: TEXT } }

function denial(description: string, headers: OpenApiResponse['headers'] = {}): OpenApiResponse {
  const content = { 'application/problem+json': { schema: ref('ForwardDenial') } }
  return { description, headers: { ...CODE, ...headers }, content }
}

const FORWARD_RESPONSES: Readonly<Record<string, OpenApiResponse>> = {
  204: {
    description:
      'The key may do what was asked. Headers are printable ASCII; other characters and `%` are percent-encoded.',
    headers: {
      ...CODE,
      'X-Keyward-Key-Id': { description: 'The `id` of the key in GraphQL.', schema: TEXT },
      'X-Keyward-Tenant': { description: 'The slug of the tenant.', schema: TEXT },
      'X-Keyward-Tenant-Id': { description: 'The `id` of the tenant in GraphQL.', schema: TEXT },
      'X-Keyward-Owner': { description: 'The client that the key stands for; empty for none.', schema: TEXT },
      'X-Keyward-Environment': { description: 'The environment of the key.', schema: TEXT },
      'X-Keyward-Scopes': { description: 'What the key holds, separated by commas.', schema: TEXT },
      'X-Keyward-Scopes-Truncated': { description: '`true` when they are more than fit.', schema: TEXT },
      ...LIMIT_HEADERS,
    },
  },
  400: denial('The query is not valid.'),
  401: denial(
    'There is no key, or more than one, or it is NOT_FOUND, REVOKED, DISABLED or EXPIRED. With the realm `keyward` in the challenge: the verifier is missing or not valid.',
    { 'WWW-Authenticate': { description: 'The challenge.', schema: TEXT } },
  ),
  403: denial('Any other denial.'),
  429: denial('A limit, a quota or the credits are used up.', { ...LIMIT_HEADERS, ...RETRY_AFTER }),
  503: denial('No answer can be had right now.', RETRY_AFTER),
}

/** The methods that a path item can name. The route takes others too. */
export function forwardMethods(): PathItem {
  const operation = (operationId: string): Operation => ({
    operationId,
    tags: ['verify'],
    summary: 'Verify a request for a reverse proxy',
    description:
      'For nginx `auth_request`, Caddy `forward_auth` and Traefik `ForwardAuth`. Takes any method; a body is thrown away. Unknown parameters are refused, so that a misspelt one lets nobody in.',
    security: [{ forwardVerifier: [] }],
    parameters: FORWARD_PARAMETERS,
    responses: FORWARD_RESPONSES,
  })
  return {
    get: operation('verifyForwardGet'),
    head: operation('verifyForwardHead'),
    post: operation('verifyForwardPost'),
    put: operation('verifyForwardPut'),
    patch: operation('verifyForwardPatch'),
    delete: operation('verifyForwardDelete'),
    options: operation('verifyForwardOptions'),
  }
}
