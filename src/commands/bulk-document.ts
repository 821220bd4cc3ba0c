import { createHash } from 'node:crypto'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { type InputIssue, KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { BulkRow, BulkRowFailure } from './bulk-result.ts'

/**
 * Documents that many rows are imported from: `{"version": "1.0.0", "<list>": [ … ]}`. What else such a document says of
 * itself is not looked at; what a row says is, field by field, so that a misspelt one is not lost in silence.
 */
export const BULK_ROWS_MAX = 10_000
export const BULK_DOCUMENT_BYTES_MAX = 10 * 1024 * 1024
/** Rows that are read and written by one statement each; others have their turn between two chunks. */
export const BULK_CHUNK_ROWS = 500
/** Hashed in one go, or as many more as a chunk of rows has. */
const BYTES_PER_TURN = 256 * 1024
/** Ten thousand rows take a few seconds; on a busy database more. */
export const BULK_TRANSACTION_TIMEOUT_MS = 60_000

/** The version that is written; every 1.x.y is read. */
export const BULK_DOCUMENT_VERSION = '1.0.0'
const READABLE_VERSION = /^1\.\d{1,9}\.\d{1,9}$/

export const DOCUMENT_PATH = ['input', 'document'] as const

/** Why a document cannot be imported at all; none when its rows can be looked at one by one. */
export function findDocumentIssues(document: unknown, listName: string): readonly InputIssue[] {
  if (!isRecord(document)) return [{ path: [...DOCUMENT_PATH], detail: `must be an object with \`${listName}\`` }]
  const issues: InputIssue[] = []
  const refuse = (field: string, detail: string) => issues.push({ path: [...DOCUMENT_PATH, field], detail })
  const { version, [listName]: rows } = document
  if (version !== undefined && (typeof version !== 'string' || !READABLE_VERSION.test(version))) {
    refuse('version', `must be a version that can be read, such as "${BULK_DOCUMENT_VERSION}"`)
  }
  if (!Array.isArray(rows)) refuse(listName, 'must be a list')
  else if (rows.length > BULK_ROWS_MAX) {
    refuse(listName, `has ${rows.length} rows; at most ${BULK_ROWS_MAX} are accepted, so send it in parts`)
  }
  return issues
}

/** The rows of a document in which `findDocumentIssues` found none. */
export function readDocumentRows(document: unknown, listName: string): readonly unknown[] {
  const rows = isRecord(document) ? document[listName] : undefined
  return Array.isArray(rows) ? rows : []
}

/**
 * SHA-256, in hexadecimal, of the document as JSON without blanks, its members in the order in which they were sent; made in
 * parts between which others have their turn. Throws VALIDATION_FAILED for a document that is too large.
 */
export async function hashDocument(document: unknown): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  let bytesOfTurn = 0
  for (const text of writeJsonInParts(document)) {
    hash.update(text)
    bytesOfTurn += Buffer.byteLength(text)
    if (bytesOfTurn < BYTES_PER_TURN) continue
    bytes += bytesOfTurn
    bytesOfTurn = 0
    await yieldToOthers()
  }
  bytes += bytesOfTurn
  if (bytes > BULK_DOCUMENT_BYTES_MAX) {
    const detail = `has ${bytes} bytes; at most ${BULK_DOCUMENT_BYTES_MAX} are accepted, so send it in parts`
    throw validationFailed([{ path: [...DOCUMENT_PATH], detail }])
  }
  return hash.digest('hex')
}

/** What JSON.stringify gives for a JSON value, with the lists of an object in chunks of their rows. */
function* writeJsonInParts(document: unknown): Generator<string> {
  if (!isRecord(document)) {
    yield JSON.stringify(document)
    return
  }
  let separator = '{'
  for (const [name, value] of Object.entries(document)) {
    yield `${separator}${JSON.stringify(name)}:`
    separator = ','
    if (!Array.isArray(value)) yield JSON.stringify(value)
    else yield* writeListInParts(value)
  }
  yield separator === '{' ? '{}' : '}'
}

function* writeListInParts(rows: readonly unknown[]): Generator<string> {
  let separator = '['
  for (const chunk of chunksOf(rows)) {
    yield separator + JSON.stringify(chunk).slice(1, -1)
    separator = ','
  }
  yield separator === '[' ? '[]' : ']'
}

export function failedRow(index: number, error: BulkRowFailure): BulkRow {
  return { index, status: 'FAILED', id: null, error }
}

/** A row that failed by its own content, with the first of its faults. */
export function invalidRow(index: number, [first, ...others]: readonly InputIssue[]): BulkRow {
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  const message = `${first?.detail ?? 'The row is not valid'}${more}`
  return failedRow(index, { code: 'VALIDATION_FAILED', message, path: first?.path ?? [] })
}

/** A row that failed as a change of its own would have. Throws what a row cannot answer for. */
export function rowOfError(index: number, error: unknown): BulkRow {
  if (error instanceof KeywardError) {
    const { code, detail: message, issues } = error
    if (code === 'VALIDATION_FAILED' && issues.length > 0) return invalidRow(index, issues)
    if (code === 'VALIDATION_FAILED' || code === 'NOT_FOUND' || code === 'CONFLICT' || code === 'FORBIDDEN') {
      return failedRow(index, { code, message, path: issues[0]?.path ?? [] })
    }
  }
  throw error
}

export function* chunksOf<Row>(rows: readonly Row[], size: number = BULK_CHUNK_ROWS): Generator<readonly Row[]> {
  for (let first = 0; first < rows.length; first += size) yield rows.slice(first, first + size)
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
