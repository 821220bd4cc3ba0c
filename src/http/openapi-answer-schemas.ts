import { ERROR_CODES } from '../errors/catalogue.ts'
import type { Schema } from './openapi-document.ts'
import { ENVIRONMENT, ref } from './openapi-reference.ts'

/** Bodies of answers. Tests hold them against real ones. */
export function createAnswerSchemas(verdictCodes: readonly string[]): Readonly<Record<string, Schema>> {
  const denialCodes = verdictCodes.filter((code) => code !== 'VALID')
  return {
    Verdict: { oneOf: [ref('ValidVerdict'), ref('DeniedVerdict'), ref('UnknownVerdict')] },
    ValidVerdict: {
      type: 'object',
      description: 'The key may do what was asked.',
      properties: {
        valid: { const: true },
        code: { const: 'VALID' },
        requestId: REQUEST_ID,
        ...KEY_FIELDS,
        ...STATE_FIELDS,
      },
      required: ['valid', 'code', 'requestId', ...Object.keys(KEY_FIELDS), ...Object.keys(STATE_FIELDS)],
    },
    DeniedVerdict: {
      type: 'object',
      description: 'The key is known, and may not do what was asked.',
      properties: {
        valid: { const: false },
        code: {
          enum: denialCodes.filter((code) => code !== 'NOT_FOUND'),
          description: 'The first rule that denies, in this order.',
        },
        detail: DETAIL,
        missingScopes: {
          type: 'array',
          items: { type: 'string' },
          description: 'For INSUFFICIENT_SCOPE: what would have to be granted in addition.',
        },
        retryAfterSeconds: {
          type: 'integer',
          minimum: 1,
          description:
            'For limits, quotas and credits: no sooner can the same request succeed. Absent where no time can be named.',
        },
        requestId: REQUEST_ID,
        ...KEY_FIELDS,
        ...STATE_FIELDS,
      },
      required: ['valid', 'code', 'detail', 'requestId', ...Object.keys(KEY_FIELDS), ...Object.keys(STATE_FIELDS)],
    },
    UnknownVerdict: {
      type: 'object',
      description: 'There is no such key, or the verifier may not see it: nothing tells the two apart.',
      properties: {
        valid: { const: false },
        code: { const: 'NOT_FOUND' },
        requestId: REQUEST_ID,
        detail: DETAIL,
      },
      required: ['valid', 'code', 'requestId', 'detail'],
      additionalProperties: false,
    },
    LimitStatus: {
      type: 'object',
      properties: {
        name: { enum: ['second', 'minute', 'hour', 'day', 'month'] },
        scope: { enum: ['key', 'tenant'], description: 'Whether the key has it alone, or shares it with its tenant.' },
        limit: { type: 'integer', minimum: 0 },
        remaining: { type: 'integer', minimum: 0, description: 'What fits after this request.' },
        resetSeconds: { type: 'integer', minimum: 0, description: 'Until at least one more fits.' },
      },
      required: ['name', 'scope', 'limit', 'remaining', 'resetSeconds'],
    },
    BatchAnswer: {
      type: 'object',
      properties: {
        results: {
          type: 'array',
          description: 'One for each verification, in the same order.',
          items: { oneOf: [...['ValidVerdict', 'DeniedVerdict', 'UnknownVerdict'].map(ref), ref('BatchError')] },
        },
      },
      required: ['results'],
    },
    BatchError: {
      type: 'object',
      description: 'The item could not be decided. Pointers lead into the item.',
      properties: { error: ref('Problem') },
      required: ['error'],
      additionalProperties: false,
    },
    Problem: {
      type: 'object',
      description: 'Problem details (RFC 9457).',
      properties: {
        type: { type: 'string', format: 'uri', examples: ['urn:keyward:error:validation-failed'] },
        title: { type: 'string', description: 'The same for every occurrence.' },
        status: { type: 'integer' },
        detail: DETAIL,
        code: { enum: ERROR_CODES },
        requestId: REQUEST_ID,
        errors: {
          type: 'array',
          description: 'For VALIDATION_FAILED: each fault.',
          items: {
            type: 'object',
            properties: {
              pointer: { type: 'string', description: 'JSON Pointer to the fault, as a URI fragment.' },
              detail: { type: 'string' },
            },
            required: ['pointer', 'detail'],
          },
        },
        retryAfterSeconds: {
          type: 'integer',
          minimum: 1,
          description: 'In results of a batch, which have no headers.',
        },
      },
      required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
    },
    ForwardDenial: {
      type: 'object',
      description: 'Problem details (RFC 9457) for the client of the proxy, where the proxy passes them on.',
      properties: {
        type: { type: 'string', format: 'uri', examples: ['urn:keyward:verdict:expired'] },
        title: { type: 'string' },
        status: { type: 'integer' },
        code: { enum: [...new Set([...denialCodes, ...ERROR_CODES])] },
        detail: DETAIL,
        requestId: REQUEST_ID,
        missingScopes: { type: 'array', items: { type: 'string' } },
        retryAfterSeconds: { type: 'integer', minimum: 1 },
      },
      required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
    },
    Health: {
      type: 'object',
      properties: {
        status: { enum: ['ok', 'unavailable'] },
        checks: { type: 'object', additionalProperties: { enum: ['ok', 'failed'] } },
      },
      required: ['status'],
    },
  }
}

const REQUEST_ID: Schema = { type: 'string', description: 'Also in `X-Request-Id`, and in the log.' }
const DETAIL: Schema = { type: 'string', description: 'A sentence for the person who reads the log.' }

const KEY_FIELDS: Readonly<Record<string, Schema>> = {
  keyId: { type: 'string', description: 'The `id` of the key in GraphQL.' },
  name: { type: 'string' },
  tenantId: { type: 'string', description: 'The `id` of the tenant in GraphQL.' },
  tenantSlug: { type: 'string' },
  environment: ENVIRONMENT,
  ownerId: { type: ['string', 'null'], description: 'The client that the key stands for, as the tenant calls it.' },
  scopes: { type: 'array', items: { type: 'string' }, description: 'What the key holds.' },
  metadata: { description: 'What the tenant wrote beside the key.' },
  expiresAt: { type: ['string', 'null'], format: 'date-time' },
}

const STATE_FIELDS: Readonly<Record<string, Schema>> = {
  limits: {
    type: 'array',
    items: ref('LimitStatus'),
    description: 'The limits in force; in a denial by limits those that are reached.',
  },
  credits: {
    type: ['object', 'null'],
    properties: { remaining: { type: 'integer' } },
    required: ['remaining'],
    description: 'Null when the key spends none.',
  },
  rotation: {
    type: 'object',
    properties: {
      pending: { type: 'boolean', description: 'Whether another token of the key waits for its first use.' },
      retiringAt: { type: ['string', 'null'], format: 'date-time', description: 'When this token stops counting.' },
    },
    required: ['pending', 'retiringAt'],
  },
  stale: { type: 'boolean', description: 'Whether the last known state was used because the database is away.' },
}
