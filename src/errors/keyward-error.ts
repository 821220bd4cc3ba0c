import { ERROR_CATALOGUE, type ErrorCode, type ErrorSpec } from './catalogue.ts'

/** One fault in one place of the input. `path` leads there from the input's root. */
export interface InputIssue {
  readonly path: readonly (string | number)[]
  readonly detail: string
}

export interface KeywardErrorOptions {
  readonly issues?: readonly InputIssue[]
  /** Whole seconds, at least 1. */
  readonly retryAfterSeconds?: number
  /** Methods that the route does take, for METHOD_NOT_ALLOWED. */
  readonly allow?: readonly string[]
  readonly cause?: unknown
}

/**
 * A failure that has an entry in the catalogue. `detail` is written for the caller: it never holds a token, a password,
 * SQL, or what another tenant owns. What only operators may read travels in `cause` and goes to the log.
 */
export class KeywardError extends Error {
  override readonly name = 'KeywardError'
  readonly code: ErrorCode
  readonly detail: string
  readonly issues: readonly InputIssue[]
  readonly retryAfterSeconds: number | undefined
  readonly allow: readonly string[] | undefined

  constructor(code: ErrorCode, detail: string, options: KeywardErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = detail
    this.issues = options.issues ?? []
    this.retryAfterSeconds = options.retryAfterSeconds
    this.allow = options.allow
  }

  get spec(): ErrorSpec {
    return ERROR_CATALOGUE[this.code]
  }
}

/** The error for input whose shape is right and whose content is not. */
export function validationFailed(issues: readonly InputIssue[]): KeywardError {
  const [first] = issues
  const where = first && first.path.length > 0 ? `${first.path.join('.')}: ` : ''
  return new KeywardError('VALIDATION_FAILED', first ? `${where}${first.detail}` : 'The input is not valid.', {
    issues,
  })
}
