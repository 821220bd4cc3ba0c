import type { Content, OpenApiResponse, Operation, Parameter, PathItem } from './openapi-document.ts'
import { forwardMethods } from './openapi-forward.ts'
import { LIMIT_HEADERS, RETRY_AFTER, TEXT } from './openapi-headers.ts'
import { reportLeaks } from './openapi-leaks.ts'
import { ref } from './openapi-reference.ts'

/** What the REST surface does, by path. What is not served is left out of the document by whoever makes it. */
export function createPathItems(): Readonly<Record<string, PathItem>> {
  return {
    '/verify': { post: verify },
    '/verify/batch': { post: verifyBatch },
    '/verify/signature': { post: verifySignature },
    '/verify/forward': forwardMethods(),
    '/leaks': { post: reportLeaks },
    '/health': { get: health('health', 'Like `/health/ready`.', READY) },
    '/health/live': { get: health('healthLive', 'Whether the process answers. When it does not, restart it.', LIVE) },
    '/health/ready': {
      get: health('healthReady', 'Whether what it depends on answers too. When not, send traffic elsewhere.', READY),
    },
    '/healthz': { get: health('healthz', 'Like `/health/live`.', LIVE) },
    '/readyz': { get: health('readyz', 'Like `/health/ready`.', READY) },
    '/metrics': {
      get: {
        operationId: 'metrics',
        tags: ['operation'],
        summary: 'Metrics for Prometheus',
        description: 'Counts since the start, and sizes now.',
        security: [],
        responses: {
          200: {
            description: 'In the text format of Prometheus.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
        },
      },
    },
    '/.well-known/jwks.json': {
      get: {
        operationId: 'jwks',
        tags: ['operation'],
        summary: 'Public keys of access tokens',
        description:
          'What the access tokens of sessions are checked with: a JWK Set (RFC 7517). It may be kept for minutes.',
        security: [],
        responses: {
          200: {
            description: 'The keys.',
            content: { 'application/jwk-set+json': { schema: { type: 'object' } } },
          },
          304: { description: 'They are those that `If-None-Match` names.' },
        },
      },
    },
    '/openapi.json': {
      get: {
        operationId: 'openapi',
        tags: ['operation'],
        summary: 'This document',
        description: 'What the REST surface does, for machines.',
        security: [],
        responses: {
          200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
        },
      },
    },
    '/docs': {
      get: {
        operationId: 'docs',
        tags: ['operation'],
        summary: 'This document as a page',
        description: 'What the REST surface does, for people.',
        security: [],
        responses: { 200: { description: 'HTML.', content: { 'text/html': { schema: { type: 'string' } } } } },
      },
    },
  }
}

const REQUEST_ID: Parameter = {
  name: 'X-Request-Id',
  in: 'header',
  description: 'Returned in the answer, and logged. Absent or in another form: one is made.',
  schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' },
}

function json(name: string): Content {
  return { 'application/json': { schema: ref(name) } }
}

function problem(description: string, headers?: OpenApiResponse['headers']): OpenApiResponse {
  const content = { 'application/problem+json': { schema: ref('Problem') } }
  return headers === undefined ? { description, content } : { description, headers, content }
}

/** What every route answers that takes a body and a verifier. */
const REFUSALS: Readonly<Record<string, OpenApiResponse>> = {
  400: problem('The body is malformed or not valid; `errors` names each fault.'),
  401: problem('The verifier is missing or not valid.', {
    'WWW-Authenticate': { description: 'The challenge to the verifier.', schema: TEXT },
  }),
  403: problem(
    'The key of the verifier does not hold `keyward:verify`, or may not be used from this address or at this time.',
  ),
  405: problem('Another method than POST.', {
    Allow: { description: 'The methods that the path takes.', schema: TEXT },
  }),
  413: problem('The body is too large.'),
  415: problem('The body is not `application/json`.'),
  429: problem(
    'Too many requests from this address had no valid verifier. A request with a good one is never answered this.',
    RETRY_AFTER,
  ),
  503: problem(
    'No answer can be had right now: the database is away and the key not in memory, or the verifier asked about too many unknown keys.',
    RETRY_AFTER,
  ),
}

const EXAMPLE_KEY = {
  keyId: 'key_01900000000070008000000000000001',
  name: 'orders service',
  tenantId: 'tnt_01900000000070008000000000000002',
  tenantSlug: 'acme',
  environment: 'PRODUCTION',
  ownerId: 'customer-1',
  scopes: ['orders:read'],
  metadata: { plan: 'pro' },
  expiresAt: null,
}

const EXAMPLE_STATE = { credits: null, rotation: { pending: false, retiringAt: null }, stale: false }

const VERDICT_EXAMPLES = {
  valid: {
    summary: 'The key may do it',
    value: {
      valid: true,
      code: 'VALID',
      requestId: 'qz1xJ4m0Tks-1a',
      ...EXAMPLE_KEY,
      limits: [{ name: 'minute', scope: 'key', limit: 100, remaining: 99, resetSeconds: 42 }],
      ...EXAMPLE_STATE,
    },
  },
  limited: {
    summary: 'A limit is reached',
    value: {
      valid: false,
      code: 'RATE_LIMITED',
      retryAfterSeconds: 42,
      detail: 'The limit of 100 per minute is reached.',
      requestId: 'qz1xJ4m0Tks-1b',
      ...EXAMPLE_KEY,
      limits: [{ name: 'minute', scope: 'key', limit: 100, remaining: 0, resetSeconds: 42 }],
      ...EXAMPLE_STATE,
    },
  },
  unknown: {
    summary: 'There is no such key',
    value: { valid: false, code: 'NOT_FOUND', requestId: 'qz1xJ4m0Tks-1c', detail: 'No key has this token.' },
  },
}

const verify: Operation = {
  operationId: 'verify',
  tags: ['verify'],
  summary: 'Verify a key',
  description:
    'Whether a key may do something, and which rule decided. A denial is a successful answer. The body has at most 16 KiB; unknown fields are refused.',
  parameters: [REQUEST_ID],
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: ref('VerifyRequest'),
        examples: {
          key: {
            summary: 'A key that needs a scope',
            value: { key: 'acme_live_0123456789ABCDEFGHIJKLMNOPQRSTUV4IG2In', scopes: ['orders:read'] },
          },
        },
      },
    },
  },
  responses: {
    200: {
      description: 'A verdict was reached.',
      headers: { ...LIMIT_HEADERS, ...RETRY_AFTER },
      content: { 'application/json': { schema: ref('Verdict'), examples: VERDICT_EXAMPLES } },
    },
    ...REFUSALS,
  },
}

const verifyBatch: Operation = {
  operationId: 'verifyBatch',
  tags: ['verify'],
  summary: 'Verify up to 1000 keys',
  description:
    'Each result is what `POST /verify` would have answered to the item alone. A bad item becomes a problem in its place. Items of one key are decided in their order, so its limits are consumed in that order. The body has at most 2 MiB.',
  parameters: [REQUEST_ID],
  requestBody: { required: true, content: json('BatchRequest') },
  responses: { 200: { description: 'One result for each item.', content: json('BatchAnswer') }, ...REFUSALS },
}

const verifySignature: Operation = {
  operationId: 'verifySignature',
  tags: ['verify'],
  summary: 'Verify a signed request',
  description:
    'For clients that sign their requests instead of sending the key. A nonce is accepted once. Further codes: SIGNATURE_INVALID, SIGNATURE_EXPIRED, NONCE_REPLAYED.',
  parameters: [REQUEST_ID],
  requestBody: {
    required: true,
    content: {
      'application/json': { schema: { oneOf: [ref('SignedVerifyRequest'), ref('HttpSignedVerifyRequest')] } },
    },
  },
  responses: {
    200: {
      description: 'A verdict was reached.',
      headers: { ...LIMIT_HEADERS, ...RETRY_AFTER },
      content: json('Verdict'),
    },
    ...REFUSALS,
  },
}

const LIVE: Operation['responses'] = { 200: { description: 'It does.', content: json('Health') } }
const READY: Operation['responses'] = {
  200: { description: 'It does.', content: json('Health') },
  503: { description: 'It does not.', headers: RETRY_AFTER, content: json('Health') },
}

function health(operationId: string, description: string, responses: Operation['responses']): Operation {
  return { operationId, tags: ['operation'], summary: 'Health', description, security: [], responses }
}
