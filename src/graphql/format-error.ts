import { GraphQLError } from 'graphql'
import type { ErrorCode } from '../errors/catalogue.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Logger } from '../lib/logger.ts'

export interface ErrorFormatterDeps {
  readonly logger: Pick<Logger, 'error'>
  /** Whether an error means that the database cannot answer right now. */
  readonly isUnavailable: (error: unknown) => boolean
}

const UNAVAILABLE_DETAIL = 'The database cannot be reached right now.'

/**
 * The form in which a top-level error leaves the server: always with a code of the catalogue, and with the text of an
 * error only when that text was written for callers. Everything else is INTERNAL, and its cause is in the log.
 */
export function createErrorFormatter({ logger, isUnavailable }: ErrorFormatterDeps) {
  return (thrown: unknown): GraphQLError => {
    const cause = findOriginal(thrown)
    const original = isUnavailable(cause)
      ? new KeywardError('UNAVAILABLE', UNAVAILABLE_DETAIL, { retryAfterSeconds: 1 })
      : cause
    if (original instanceof KeywardError) return formatKeywardError(thrown, original)
    if (thrown instanceof GraphQLError && (original === thrown || original instanceof GraphQLError)) {
      return withCode(thrown, thrown.message, readCode(thrown) ?? 'QUERY_INVALID')
    }
    logger.error({ err: original }, 'A GraphQL request failed.')
    return withCode(thrown, 'The cause is in the log, under the id of this request.', 'INTERNAL')
  }
}

function findOriginal(thrown: unknown): unknown {
  return thrown instanceof GraphQLError && thrown.originalError ? findOriginal(thrown.originalError) : thrown
}

function readCode(error: GraphQLError): string | undefined {
  const code = findCode(error)
  // Yoga and graphql-js have codes of their own for what the catalogue calls an invalid document.
  return code === undefined || OTHERS_CODES.has(code) ? undefined : code
}

const OTHERS_CODES = new Set(['BAD_USER_INPUT', 'GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'BAD_REQUEST'])

function findCode(error: GraphQLError): string | undefined {
  const code = error.extensions['code']
  return typeof code === 'string' ? code : undefined
}

function formatKeywardError(thrown: unknown, error: KeywardError): GraphQLError {
  // Inside a field an error belongs to the data around it. One from before the execution is the answer itself.
  const atField = thrown instanceof GraphQLError && thrown.path !== undefined
  const retryAfter = error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }
  const headers: Record<string, string> =
    error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) }
  return withCode(thrown, error.detail, error.code, {
    ...retryAfter,
    ...(error.issues.length > 0 && { issues: error.issues }),
    ...(!atField && { http: { status: error.spec.status, headers } }),
  })
}

function withCode(
  thrown: unknown,
  message: string,
  code: ErrorCode | string,
  extensions: Record<string, unknown> = {},
): GraphQLError {
  const at = thrown instanceof GraphQLError ? thrown : undefined
  const http = at?.extensions['http']
  return new GraphQLError(message, {
    ...(at && {
      nodes: at.nodes ?? null,
      source: at.source ?? null,
      positions: at.positions ?? null,
      path: at.path ?? null,
    }),
    extensions: { ...(http === undefined ? {} : { http }), ...extensions, code },
  })
}
