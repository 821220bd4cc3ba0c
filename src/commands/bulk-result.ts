import type { ErrorCode } from '../errors/catalogue.ts'
import type { InputIssue } from '../errors/keyward-error.ts'

/** What became of one row of a bulk command. */
export type BulkRowStatus = 'CREATED' | 'UPDATED' | 'SKIPPED' | 'FAILED'

export type BulkRowErrorCode = Extract<ErrorCode, 'VALIDATION_FAILED' | 'NOT_FOUND' | 'CONFLICT' | 'FORBIDDEN'>

export interface BulkRowFailure {
  readonly code: BulkRowErrorCode
  /** For people; see `KeywardError.detail`. */
  readonly message: string
  /** Leads to the fault from the input's root, the row's own place in it included. */
  readonly path: InputIssue['path']
}

export interface BulkRow {
  /** Place of the row in the input, from 0. */
  readonly index: number
  readonly status: BulkRowStatus
  /** Id, as seen from outside, of what the row stands for; null when there is nothing, as for most rows that failed. */
  readonly id: string | null
  /** Null unless the row failed. */
  readonly error: BulkRowFailure | null
}

/** What a bulk command did, row by row in the order of the input. One bad row never stops the rest. */
export interface BulkResult {
  readonly rows: readonly BulkRow[]
}

export interface BulkCounts {
  readonly created: number
  readonly updated: number
  readonly skipped: number
  readonly failed: number
}

export function countBulkRows(rows: readonly Pick<BulkRow, 'status'>[]): BulkCounts {
  const counts = { created: 0, updated: 0, skipped: 0, failed: 0 }
  for (const { status } of rows) counts[COUNT_OF[status]]++
  return counts
}

const COUNT_OF = { CREATED: 'created', UPDATED: 'updated', SKIPPED: 'skipped', FAILED: 'failed' } as const
