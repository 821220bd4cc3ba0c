import {
  BULK_TRANSACTION_TIMEOUT_MS,
  chunksOf,
  findDocumentIssues,
  hashDocument,
  readDocumentRows,
} from '../commands/bulk-document.ts'
import { type BulkResult, type BulkRow, countBulkRows } from '../commands/bulk-result.ts'
import type { Command } from '../commands/command.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { type ReadScopes, readScopeRows, SCOPES_LIST } from './scope-document.ts'
import { countRoom } from './scope-store.ts'
import { upsertScopes } from './scope-upsert.ts'

export interface ImportScopesInput {
  readonly tenantId: string
  readonly document?: unknown
  readonly dryRun?: boolean | null | undefined
}

interface PreparedImport extends ReadScopes {
  readonly documentSha256: string
}

/**
 * Bring the scopes of a document into a catalogue, by their names: all that can be in one transaction, in chunks between
 * which others have their turn. One event in the log stands for all rows, with the document's hash. A dry run says what
 * would become of each row and changes nothing.
 */
export const importScopes: Command<ImportScopesInput, BulkResult, PreparedImport> = {
  name: 'import-scopes',
  transactionTimeoutMs: BULK_TRANSACTION_TIMEOUT_MS,
  access: async ({ tenantId }, find) => ({
    kind: 'tenant',
    permission: 'scopes:import',
    tenantId: await findTenantId(find, tenantId),
  }),
  validate: ({ document }) => findDocumentIssues(document, SCOPES_LIST),
  prepare: async ({ document }) => ({
    documentSha256: await hashDocument(document),
    ...(await readScopeRows(readDocumentRows(document, SCOPES_LIST))),
  }),
  async execute({ tenantId, ...work }, { dryRun }, { scopes, failed, documentSha256 }) {
    if (tenantId === null) throw new Error('import-scopes ran outside a tenant.')
    const rows: BulkRow[] = [...failed]
    let switched = false
    let room = await countRoom(work.tx, tenantId)
    // In the order of names, so that two imports that meet wait for each other instead of going round in a circle.
    const ordered = scopes.toSorted((one, other) => (one.name < other.name ? -1 : 1))
    for (const chunk of chunksOf(ordered)) {
      const upserted = await upsertScopes(work, { tenantId, scopes: chunk, room, dryRun: dryRun === true })
      rows.push(...upserted.rows)
      room -= countBulkRows(upserted.rows).created
      switched ||= upserted.switched
    }
    rows.sort((one, other) => one.index - other.index)
    return {
      value: { rows },
      audit: [
        {
          tenantId,
          action: 'scopes.imported',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id: formatPublicId('Tenant', tenantId) },
          detail: { documentSha256, dryRun: dryRun === true, processed: rows.length, ...countBulkRows(rows) },
        },
      ],
      events: [],
      invalidate: switched && dryRun !== true ? [{ kind: 'tenant', tenantId }] : [],
    }
  },
}
