import type { OpenApiResponse, Operation, Parameter, Schema } from './openapi-document.ts'
import { RETRY_AFTER, TEXT } from './openapi-headers.ts'
import { ref } from './openapi-reference.ts'

const EXAMPLE_TYPE = 'keyward_api_token'

const KEY_IDENTIFIER: Parameter = {
  name: 'Github-Public-Key-Identifier',
  in: 'header',
  description: 'Which public key the report is signed with.',
  required: true,
  schema: TEXT,
}

function problem(description: string, headers?: OpenApiResponse['headers']): OpenApiResponse {
  const content = { 'application/problem+json': { schema: ref('Problem') } }
  return headers === undefined ? { description, content } : { description, headers, content }
}

export const reportLeaks: Operation = {
  operationId: 'reportLeaks',
  tags: ['leaks'],
  summary: 'Report tokens that were found in public',
  description:
    'For GitHub’s secret scanning partner program. Each tenant’s `leakPolicy` says what becomes of a key whose token was found: an event alone, or it is disabled or revoked too. To report the same again does nothing. The body has at most 1 MiB.',
  security: [{ leakReport: [] }],
  parameters: [KEY_IDENTIFIER],
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: ref('LeakReport'),
        examples: {
          commit: {
            summary: 'A token in a commit',
            value: [
              {
                token: 'acme_live_0123456789ABCDEFGHIJKLMNOPQRSTUV4IG2In',
                type: EXAMPLE_TYPE,
                url: 'https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt',
                source: 'commit',
              },
            ],
          },
        },
      },
    },
  },
  responses: {
    200: {
      description: 'What was found to be ours, and what not.',
      content: {
        'application/json': {
          schema: ref('LeakFeedback'),
          examples: {
            ours: {
              summary: 'The token is of a key',
              value: [{ token_hash: '0'.repeat(64), token_type: EXAMPLE_TYPE, label: 'true_positive' }],
            },
          },
        },
      },
    },
    400: problem('The body is malformed or not valid; `errors` names each fault.'),
    401: problem('The headers name no key that counts, or the signature is not that of the body.', {
      'WWW-Authenticate': { description: 'A challenge, as every such answer has one.', schema: TEXT },
    }),
    404: problem('This server takes no reports: it knows no public key to check them with.'),
    405: problem('Another method than POST.', {
      Allow: { description: 'The methods that the path takes.', schema: TEXT },
    }),
    413: problem('The body is too large.'),
    415: problem('The body is not `application/json`.'),
    429: problem(
      'Too many requests from this address showed no valid signature. One with a good signature is never answered this.',
      RETRY_AFTER,
    ),
    503: problem('Not all of it could be handled right now. The same report again does the rest.', RETRY_AFTER),
  },
}

/** Tests hold them against the parser and real answers. */
export const LEAK_SCHEMAS: Readonly<Record<string, Schema>> = {
  LeakReport: {
    type: 'array',
    maxItems: 1000,
    items: {
      type: 'object',
      properties: {
        token: { type: 'string', description: 'What was found.' },
        type: { type: 'string', maxLength: 256, description: 'What the scanner calls tokens of this form.' },
        url: { description: 'Where it was found; may be empty.' },
        source: { description: 'In what kind of place: `commit`, `gist_content`, `npm` and others.' },
      },
      required: ['token', 'type'],
    },
  },
  LeakFeedback: {
    type: 'array',
    description: 'One for each finding, in the same order.',
    items: {
      type: 'object',
      properties: {
        token_hash: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the token.' },
        token_type: { type: 'string', description: 'The `type` of the finding.' },
        label: {
          enum: ['true_positive', 'false_positive'],
          description: '`true_positive`: the token is, or was, of a key.',
        },
      },
      required: ['token_hash', 'token_type', 'label'],
      additionalProperties: false,
    },
  },
}
