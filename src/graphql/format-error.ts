import { GraphQLError } from 'graphql'
import { isAsyncIterable, mapAsyncIterator, type Plugin } from 'graphql-yoga'
import type { ErrorCode } from '../errors/catalogue.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { problemHeaders } from '../http/problem.ts'
import type { Logger } from '../lib/logger.ts'
import { ExpectedError } from './user-errors.ts'

export interface ErrorFormatDeps {
  readonly logger: Pick<Logger, 'error'>
  /** Whether an error means that the database cannot answer right now. */
  readonly isUnavailable: (error: unknown) => boolean
  /** Whether an error means that something was deleted while it was being read. */
  readonly isGone: (error: unknown) => boolean
}

interface Result {
  errors?: readonly GraphQLError[]
}

/**
 * The form in which a top-level error leaves the server: always with a code of the catalogue, and with the text of an
 * error only when that text was written for callers. Everything else is INTERNAL, and its cause is in the log.
 *
 * This is the last step before an answer is written, so that no error passes by, wherever it came from.
 */
export function errorFormat(deps: ErrorFormatDeps): Plugin<object, { readonly requestId: string }> {
  return {
    onResultProcess({ result, setResult, serverContext: { requestId } }) {
      const format = (one: Result): Result =>
        one.errors ? { ...one, errors: one.errors.map((error) => formatError(deps, error, requestId)) } : one
      if (isAsyncIterable(result)) setResult(mapAsyncIterator(result, format))
      else setResult(Array.isArray(result) ? result.map(format) : format(result))
    },
  }
}

function formatError(deps: ErrorFormatDeps, thrown: GraphQLError, requestId: string) {
  const cause = findCause(thrown)
  const error = toKeywardError(cause, deps)
  if (error.code === 'INTERNAL') deps.logger.error({ err: cause, requestId }, 'A GraphQL request failed.')
  const isAtField = thrown.path !== undefined
  return new GraphQLError(error.detail, {
    nodes: thrown.nodes ?? null,
    source: thrown.source ?? null,
    positions: thrown.positions ?? null,
    path: thrown.path ?? null,
    extensions: { ...describe(error, requestId), ...(!isAtField && { http: toHttp(error) }) },
  })
}

/** What was thrown first. Among errors of GraphQL itself it is the last one that says most: which variable, which argument. */
function findCause(thrown: GraphQLError): unknown {
  const { originalError } = thrown
  if (!originalError) return thrown
  if (!(originalError instanceof GraphQLError)) return originalError
  const cause = findCause(originalError)
  return cause instanceof GraphQLError ? thrown : cause
}

/** How graphql-js says that it looked no further. These two errors have nothing but their text to be known by. */
const VALIDATION_ENDS: ReadonlyMap<string, KeywardError> = new Map([
  [
    'Too many validation errors, error limit reached. Validation aborted.',
    new KeywardError('TOO_MANY_ERRORS', 'The document has more faults than the 100 that are listed here.'),
  ],
  [
    'Validation aborted.',
    new KeywardError('QUERY_TOO_COMPLEX', 'The document selects the same fields too often; select each one once.'),
  ],
])

function toKeywardError(cause: unknown, { isUnavailable, isGone }: ErrorFormatDeps): KeywardError {
  if (cause instanceof KeywardError) return cause
  if (cause instanceof ExpectedError) return cause.error
  if (cause instanceof GraphQLError) {
    // A mutation that came by GET.
    if (cause.extensions.http?.status === 405) {
      return new KeywardError('METHOD_NOT_ALLOWED', cause.message, { allow: ['POST'] })
    }
    const ended = VALIDATION_ENDS.get(cause.message)
    if (ended !== undefined) return ended
    // What graphql-js and Yoga themselves find is about the caller's document, variables or parameters.
    return new KeywardError('QUERY_INVALID', cause.message)
  }
  if (isUnavailable(cause)) {
    return new KeywardError('UNAVAILABLE', 'The database cannot be reached right now.', { retryAfterSeconds: 1 })
  }
  if (isGone(cause)) return new KeywardError('NOT_FOUND', 'What was asked for has just been deleted.')
  return new KeywardError('INTERNAL', 'The cause is in the log, under the id of this request.')
}

/** The id of the request is what a caller reports when the failure is ours. */
function describe({ code, issues, retryAfterSeconds }: KeywardError, requestId: string): Record<string, unknown> {
  return {
    code,
    ...(code === 'INTERNAL' && { requestId }),
    ...(issues.length > 0 && { issues }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  }
}

const DOCUMENT_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'QUERY_INVALID',
  'QUERY_TOO_COMPLEX',
  'TOO_MANY_ERRORS',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_REQUIRED',
])

/**
 * An error inside a field belongs to the data around it. One from before the execution is the answer itself and has a
 * status of its own; but to a client that accepts `application/json` alone, what is wrong with its document is said under
 * 200, as GraphQL over HTTP has it, and that is what `spec` tells Yoga.
 */
function toHttp(error: KeywardError) {
  return { status: error.spec.status, headers: toRecord(problemHeaders(error)), spec: DOCUMENT_ERRORS.has(error.code) }
}

function toRecord(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (const [index, name] of flat.entries()) {
    const value = flat[index + 1]
    if (index % 2 === 0 && value !== undefined) record[name] = value
  }
  return record
}
