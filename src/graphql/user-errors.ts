import type { ErrorCode } from '../errors/catalogue.ts'
import type { InputIssue, KeywardError } from '../errors/keyward-error.ts'
import { builder } from './builder.ts'

type ExpectedErrorCode = Extract<ErrorCode, 'VALIDATION_FAILED' | 'NOT_FOUND' | 'CONFLICT' | 'INVALID_CREDENTIALS'>

/**
 * Failures that a caller can expect are members of the mutation's result union, so that a client which handles them all
 * is told so by its types. All other failures are top-level errors.
 */
export abstract class ExpectedError extends Error {
  abstract readonly code: ExpectedErrorCode
  /** What was thrown, and what is shown at the top level should the result union not name it. */
  readonly error: KeywardError

  constructor(error: KeywardError) {
    super(error.detail)
    this.error = error
  }

  get issues(): readonly InputIssue[] {
    return this.error.issues
  }

  get path(): string[] {
    return (this.issues[0]?.path ?? []).map(String)
  }
}

export class ValidationError extends ExpectedError {
  override readonly code = 'VALIDATION_FAILED'
}
export class NotFoundError extends ExpectedError {
  override readonly code = 'NOT_FOUND'
}
export class ConflictError extends ExpectedError {
  override readonly code = 'CONFLICT'
}
export class InvalidCredentialsError extends ExpectedError {
  override readonly code = 'INVALID_CREDENTIALS'
}

const CLASSES: Record<ExpectedErrorCode, new (error: KeywardError) => ExpectedError> = {
  VALIDATION_FAILED: ValidationError,
  NOT_FOUND: NotFoundError,
  CONFLICT: ConflictError,
  INVALID_CREDENTIALS: InvalidCredentialsError,
}

function isExpected(code: ErrorCode): code is ExpectedErrorCode {
  return Object.hasOwn(CLASSES, code)
}

/** The failures that a mutation's result union names; all others are top-level errors. */
export function commandErrors(...codes: [ExpectedErrorCode, ...ExpectedErrorCode[]]) {
  return { types: codes.map((code) => CLASSES[code]), union: { description: UNION_DESCRIPTION } }
}

const UNION_DESCRIPTION = 'What was done, or why it was not.'

/** The error as a member of a result union, or as it is when it is not one that callers can expect. */
export function toExpectedError(error: KeywardError): Error {
  return isExpected(error.code) ? new CLASSES[error.code](error) : error
}

const UserErrorCode = builder.enumType('UserErrorCode', {
  description: 'What kind of failure it was; the list of errors in the README says what to do about each.',
  values: {
    VALIDATION_FAILED: { description: 'The input is not valid; `path` leads to the first fault.' },
    NOT_FOUND: { description: 'There is no such thing, or none that the caller may see.' },
    CONFLICT: { description: 'A name is taken, or the present state forbids the change.' },
    INVALID_CREDENTIALS: { description: 'E-mail and password, or the refresh token, do not count.' },
  } satisfies Record<ExpectedErrorCode, { description: string }>,
})

const UserError = builder.interfaceRef<ExpectedError>('UserError').implement({
  description: 'A failure that a caller can expect and act on.',
  fields: (t) => ({
    code: t.field({
      type: UserErrorCode,
      description: 'What kind of failure it was.',
      resolve: ({ code }) => code,
    }),
    message: t.exposeString('message', { description: 'What went wrong, for people.' }),
    path: t.exposeStringList('path', { description: 'Where in the arguments; empty when it is not about one place.' }),
  }),
})

const InputIssueType = builder.objectRef<InputIssue>('InputIssue').implement({
  description: 'One fault in one place of the arguments.',
  fields: (t) => ({
    path: t.stringList({
      description: 'Where in the arguments.',
      resolve: ({ path }) => path.map(String),
    }),
    message: t.exposeString('detail', { description: 'What is wrong there.' }),
  }),
})

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'The input is not valid.',
  interfaces: [UserError],
  fields: (t) => ({
    issues: t.field({
      type: [InputIssueType],
      description: 'Every fault that was found.',
      resolve: ({ issues }) => [...issues],
    }),
  }),
})
builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'There is no such thing, or none that the caller may see.',
  interfaces: [UserError],
})
builder.objectType(ConflictError, {
  name: 'ConflictError',
  description: 'A name is taken, or the present state forbids the change.',
  interfaces: [UserError],
})
builder.objectType(InvalidCredentialsError, {
  name: 'InvalidCredentialsError',
  description: 'E-mail and password, or the refresh token, do not count.',
  interfaces: [UserError],
})
