import type { AuditEntry } from '../audit/audit-entry.ts'
import type { BulkRow, BulkRowErrorCode } from '../commands/bulk-result.ts'
import type { TenantWork } from '../commands/command.ts'
import { type InputIssue, KeywardError } from '../errors/keyward-error.ts'

/** Keys that one call changes at most. */
export const BULK_KEYS_MAX = 100

const BULK_CODES: readonly string[] = ['VALIDATION_FAILED', 'NOT_FOUND', 'CONFLICT', 'FORBIDDEN']

/** What became of a row whose change was refused. `place` is where the row stands. Rethrows what no row is to blame for. */
export function failRow(index: number, error: unknown, place: InputIssue['path'] = []): BulkRow {
  if (!(error instanceof KeywardError) || !BULK_CODES.includes(error.code)) throw error
  const [issue] = error.issues
  // Below the row stands what would be the whole input of a single change.
  const path = issue === undefined ? place : [...place, ...issue.path.slice(1)]
  const code = error.code as BulkRowErrorCode
  return { index, status: 'FAILED', id: null, error: { code, message: error.detail, path } }
}

export function keyNotFound(): KeywardError {
  return new KeywardError('NOT_FOUND', 'There is nothing under this id.')
}

/**
 * What rows tried and the caller may not do, recorded as single changes would be: with the tenant what is forbidden there,
 * with the platform what the caller may not know of. One entry stands for all rows of a kind.
 */
export function recordRejected(
  { tenantId, platformTenantId }: Pick<TenantWork, 'tenantId' | 'platformTenantId'>,
  commandName: string,
  permission: string,
  rows: readonly BulkRow[],
): readonly AuditEntry[] {
  const places = { NOT_FOUND: platformTenantId, FORBIDDEN: tenantId } as const
  return (['NOT_FOUND', 'FORBIDDEN'] as const).flatMap((code): AuditEntry[] => {
    const rejected = rows.filter(({ error }) => error?.code === code).length
    if (rejected === 0) return []
    return [
      {
        tenantId: places[code],
        action: 'authorization.rejected',
        outcome: 'DENIED',
        resource: { type: 'Command', id: commandName },
        detail: { code, permission, rows: rejected },
      },
    ]
  })
}
