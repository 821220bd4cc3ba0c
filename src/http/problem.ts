import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../errors/catalogue.ts'
import { type InputIssue, KeywardError } from '../errors/keyward-error.ts'
import { stringifyAscii } from '../lib/ascii-json.ts'
import type { Logger } from '../lib/logger.ts'
import { type Answer, sendAnswer } from './answer.ts'

/** An error as RFC 9457 problem details. */
export interface Problem {
  /** A name, not an address: there is nothing to fetch behind it. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly requestId: string
  readonly errors?: readonly ProblemIssue[]
}

export interface ProblemIssue {
  /** JSON Pointer (RFC 6901) to the fault, as a URI fragment, which is the form that RFC 9457 §3 uses. */
  readonly pointer: string
  readonly detail: string
}

const RETRY_AFTER_SECONDS_DEFAULT = 1

export function toProblem(error: KeywardError, requestId: string): Problem {
  const { code, detail, spec, issues } = error
  const problem = {
    type: `urn:keyward:error:${code.toLowerCase().replaceAll('_', '-')}`,
    title: spec.title,
    status: spec.status,
    detail,
    code,
    requestId,
  }
  return issues.length === 0 ? problem : { ...problem, errors: issues.map(toProblemIssue) }
}

/** The headers that an error needs beside its body, as a flat list of names and values. */
export function problemHeaders(error: KeywardError): string[] {
  const headers: string[] = []
  if (error.allow !== undefined) headers.push('Allow', error.allow.join(', '))
  if (error.spec.status === 401) headers.push('WWW-Authenticate', 'Bearer realm="keyward"')
  if (error.spec.status === 429 || error.spec.status === 503) {
    headers.push('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterSeconds ?? RETRY_AFTER_SECONDS_DEFAULT))))
  }
  return headers
}

/**
 * What to answer when this was thrown. An error that is not in the catalogue is answered INTERNAL, without a word of its
 * own, and logged with the request's id.
 */
export function toProblemAnswer(thrown: unknown, requestId: string, logger: Pick<Logger, 'error'>): Answer {
  const error = toKeywardError(thrown)
  if (error.code === 'INTERNAL') logger.error({ err: thrown, requestId }, 'A request failed.')
  return {
    status: error.spec.status,
    contentType: 'application/problem+json',
    headers: ['X-Content-Type-Options', 'nosniff', ...problemHeaders(error)],
    body: stringifyAscii(toProblem(error, requestId)),
  }
}

/** Answers with the error. */
export function sendProblem(
  res: ServerResponse,
  thrown: unknown,
  requestId: string,
  logger: Pick<Logger, 'error'>,
): void {
  const answer = toProblemAnswer(thrown, requestId, logger)
  // The beginning of another answer may be on its way; cutting it off is the only honest sign left.
  if (res.headersSent) res.destroy()
  else sendAnswer(res, answer, requestId)
}

export function toKeywardError(thrown: unknown): KeywardError {
  if (thrown instanceof KeywardError) return thrown
  return new KeywardError('INTERNAL', 'The cause is in the log, under the id of this request.', { cause: thrown })
}

/** A name that the caller chose can hold half a character, which no URI can. */
function escapeStep(step: string): string {
  return step.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')
}

function toProblemIssue({ path, detail }: InputIssue): ProblemIssue {
  const steps = path.map((step) => `/${encodeURIComponent(escapeStep(String(step)))}`)
  return { pointer: `#${steps.join('')}`, detail }
}
