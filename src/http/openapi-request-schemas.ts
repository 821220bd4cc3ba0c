import type { Schema } from './openapi-document.ts'
import { ENVIRONMENT, ref } from './openapi-reference.ts'

/** What is asked about a key, however it is named. */
const QUESTION_FIELDS: Readonly<Record<string, Schema>> = {
  scopes: {
    type: 'array',
    maxItems: 100,
    items: { type: 'string', maxLength: 100 },
    description: 'All of them are needed.',
    examples: [['orders:read']],
  },
  scopeQuery: {
    type: 'string',
    maxLength: 1000,
    description: 'Needed beside `scopes`: names and wildcards with AND, OR and parentheses.',
    examples: ['orders:read AND (stock:read OR crm:*)'],
  },
  environment: { ...ENVIRONMENT, description: 'The key has to belong to it.', examples: ['PRODUCTION'] },
  ip: {
    type: 'string',
    maxLength: 64,
    description:
      'Address of the client of the protected request. A key with rules about addresses is denied without it.',
    examples: ['203.0.113.7'],
  },
  userAgent: {
    type: 'string',
    maxLength: 2048,
    description: '`User-Agent` of the protected request.',
    examples: ['shop/2.1'],
  },
  origin: {
    type: 'string',
    maxLength: 2048,
    description: '`Origin` of the protected request.',
    examples: ['https://app.example.com'],
  },
  method: {
    type: 'string',
    pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$",
    description: 'Method of the protected request.',
    examples: ['GET'],
  },
  path: {
    type: 'string',
    pattern: '^/',
    maxLength: 8192,
    description: 'Path of the protected request, as it was received; a query does not count.',
    examples: ['/orders/7'],
  },
  requireOperationScope: {
    type: 'boolean',
    default: false,
    description: 'Whether the scope of the imported OpenAPI operation that method and path name is needed too.',
    examples: [false],
  },
  cost: {
    type: 'integer',
    minimum: 0,
    maximum: 1_000_000_000,
    default: 1,
    description: 'What the request counts for in limits, quotas and credits. 0 checks and consumes nothing.',
    examples: [1],
  },
  tags: {
    type: 'object',
    maxProperties: 8,
    additionalProperties: { type: 'string', maxLength: 128 },
    description:
      'Counted with the usage of the key, by minute and code: the first 1000 different ones of a tenant and day (UTC), further ones together as `other`. Names have 1 to 64 characters; neither names nor values have control characters or halves of characters.',
    examples: [{ route: 'orders' }],
  },
}

const verifyRequest: Schema = {
  type: 'object',
  properties: {
    key: {
      type: 'string',
      description: 'The token to verify. One that cannot be a key is simply not found.',
      examples: ['acme_live_0123456789ABCDEFGHIJKLMNOPQRSTUV4IG2In'],
    },
    ...QUESTION_FIELDS,
  },
  required: ['key'],
  additionalProperties: false,
}

const { method, path, ...unsignedFields } = QUESTION_FIELDS

const signedVerifyRequest: Schema = {
  type: 'object',
  description:
    'The signature is the hex HMAC-SHA256, with the signing secret of the key, over these lines joined by `\\n`: `kw1`, timestamp, nonce, method in upper case, path with query, `bodySha256`.',
  properties: {
    keyId: { type: 'string', maxLength: 256, examples: ['key_01900000000070008000000000000001'] },
    timestamp: { type: 'integer', minimum: 0, description: 'Seconds since the Unix epoch.' },
    nonce: { type: 'string', pattern: '^[\\x20-\\x7e]{1,128}$', description: 'Accepted once.' },
    method: method ?? {},
    path: path ?? {},
    bodySha256: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'Of the body of the protected request.' },
    signature: { type: 'string', maxLength: 256 },
    ...unsignedFields,
  },
  required: ['keyId', 'timestamp', 'nonce', 'method', 'path', 'bodySha256', 'signature'],
  additionalProperties: false,
}

const httpSignedVerifyRequest: Schema = {
  type: 'object',
  description:
    'A protected request with an HTTP message signature (RFC 9421, `hmac-sha256`) and `Content-Digest` (RFC 9530).',
  properties: {
    keyId: { type: 'string', maxLength: 256, description: 'Needed where the headers name several keys.' },
    httpSignature: {
      type: 'object',
      properties: {
        method: method ?? {},
        url: { type: 'string', format: 'uri', maxLength: 8192 },
        headers: {
          type: 'object',
          maxProperties: 100,
          additionalProperties: {
            oneOf: [
              { type: 'string', maxLength: 8192 },
              { type: 'array', maxItems: 32, items: { type: 'string', maxLength: 8192 } },
            ],
          },
        },
        bodySha256: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'Of the body of the protected request.' },
      },
      required: ['method', 'url', 'headers'],
      additionalProperties: false,
    },
    ...unsignedFields,
  },
  required: ['httpSignature'],
  additionalProperties: false,
}

const batchRequest: Schema = {
  type: 'object',
  properties: { verifications: { type: 'array', maxItems: 1000, items: ref('VerifyRequest') } },
  required: ['verifications'],
  additionalProperties: false,
}

/** Bodies of requests. Tests hold them against the parsers. */
export const REQUEST_SCHEMAS: Readonly<Record<string, Schema>> = {
  VerifyRequest: verifyRequest,
  BatchRequest: batchRequest,
  SignedVerifyRequest: signedVerifyRequest,
  HttpSignedVerifyRequest: httpSignedVerifyRequest,
}
