/**
 * The one catalogue of errors. REST shows an entry as RFC 9457 problem details, GraphQL as a `UserError` member of a
 * result union or as `extensions.code`; the README's table is held against it by a test.
 *
 * A verdict of `/verify` such as `REVOKED` is an answer, not an error: verdict codes live in `verify/verdict-code.ts`.
 */
export interface ErrorSpec {
  /** HTTP status of the REST form. */
  readonly status: number
  /** Same sentence for every occurrence (RFC 9457 §3.1.3). */
  readonly title: string
  /** Whether the same request can succeed later without being changed. */
  readonly retryable: boolean
  /** What the caller can do about it. */
  readonly action: string
}

const catalogue = {
  MALFORMED_BODY: {
    status: 400,
    title: 'The body is not valid JSON',
    retryable: false,
    action: 'Send one JSON object, encoded as UTF-8.',
  },
  VALIDATION_FAILED: {
    status: 400,
    title: 'The request is not valid',
    retryable: false,
    action: 'Correct the fields that `errors` or `path` name.',
  },
  UNAUTHENTICATED: {
    status: 401,
    title: 'Who is calling is not known',
    retryable: false,
    action: 'Send `Authorization: Bearer <token>` with a live session or key.',
  },
  INVALID_CREDENTIALS: {
    status: 401,
    title: 'E-mail or password is wrong',
    retryable: false,
    action: 'Check both; the answer does not tell which one is wrong.',
  },
  FORBIDDEN: {
    status: 403,
    title: 'The caller may not do this',
    retryable: false,
    action: 'Use a role or a key that holds the permission that `detail` names.',
  },
  NOT_FOUND: {
    status: 404,
    title: 'There is no such thing here',
    retryable: false,
    action: 'Check the id or the path. What the caller may not see looks the same as what does not exist.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'The route does not take this method',
    retryable: false,
    action: 'Use one of the methods in the `Allow` header.',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    title: 'The request did not arrive in time',
    retryable: true,
    action: 'Send the whole request within the deadline.',
  },
  CONFLICT: {
    status: 409,
    title: 'Something else already has this name, or the state forbids the change',
    retryable: false,
    action: 'Read the current state, then choose another name or another change.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is larger than this route takes',
    retryable: false,
    action: 'Send less; `detail` names the limit in bytes.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'The body is not of a type that this route reads',
    retryable: false,
    action: 'Send `Content-Type: application/json`.',
  },
  RATE_LIMITED: {
    status: 429,
    title: 'Too many requests',
    retryable: true,
    action: 'Wait for the seconds in `Retry-After`.',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    title: 'The request headers are too large',
    retryable: false,
    action: 'Send fewer or shorter headers.',
  },
  QUERY_INVALID: {
    status: 400,
    title: 'The GraphQL document is not valid',
    retryable: false,
    action: 'Correct the document at the location that the error names.',
  },
  TOO_MANY_ERRORS: {
    status: 400,
    title: 'The GraphQL document has more faults than are listed',
    retryable: false,
    action: 'Correct those that are listed, then send the document again.',
  },
  QUERY_TOO_COMPLEX: {
    status: 400,
    title: 'The GraphQL document asks for too much at once',
    retryable: false,
    action: 'Ask for fewer rows, levels or aliases; `detail` names the limit.',
  },
  PERSISTED_QUERY_NOT_FOUND: {
    status: 400,
    title: 'No document is kept under this hash',
    retryable: false,
    action: 'Send the document as `query`, or have it added to the file of `PERSISTED_OPERATIONS_FILE`.',
  },
  PERSISTED_QUERY_REQUIRED: {
    status: 403,
    title: 'This server executes persisted operations alone',
    retryable: false,
    action:
      'Send the hash of a document that is in the file of `PERSISTED_OPERATIONS_FILE`, or have yours added to it.',
  },
  CSRF_HEADER_MISSING: {
    status: 403,
    title: 'A browser could have been tricked into sending this request',
    retryable: false,
    action: 'Send a JSON body, or add the header `x-keyward-csrf: 1`.',
  },
  INTERNAL: {
    status: 500,
    title: 'Something failed on our side',
    retryable: true,
    action: 'Try again; if it stays, report the `requestId`.',
  },
  UNAVAILABLE: {
    status: 503,
    title: 'The service cannot answer right now',
    retryable: true,
    action: 'Wait for the seconds in `Retry-After`, then try again.',
  },
} as const satisfies Record<string, ErrorSpec>

export type ErrorCode = keyof typeof catalogue

export const ERROR_CATALOGUE: Readonly<Record<ErrorCode, ErrorSpec>> = catalogue

export const ERROR_CODES = Object.keys(catalogue) as readonly ErrorCode[]
