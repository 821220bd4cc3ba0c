import { BULK_DOCUMENT_BYTES_MAX, BULK_DOCUMENT_VERSION, BULK_ROWS_MAX } from '../commands/bulk-document.ts'
import { defineTenantCommand } from '../commands/command.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { isScopeName } from './scope-name.ts'
import { type ListedScopes, listScopes } from './scope-store.ts'

export interface ExportScopesInput {
  readonly tenantId: string
  /** `next` of the document before; the first document when absent. */
  readonly after?: string | null | undefined
}

export interface ScopeDocument {
  readonly version: string
  readonly scopes: ListedScopes['rows']
  /** To be sent as `after` for the rest; null when this was all. */
  readonly next: string | null
}

/** `{"version":…,"scopes":[…],"next":…}` around the rows. */
const DOCUMENT_BYTES = 256

/**
 * A catalogue as a document that can be imported. What would be more than one import takes comes in parts, which are not read
 * at one moment. That somebody took it out is recorded; hence a command.
 */
export const exportScopes = defineTenantCommand<ExportScopesInput, ScopeDocument>({
  name: 'export-scopes',
  permission: 'scopes:export',
  tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
  validate({ after }) {
    if (after == null || isScopeName(after)) return []
    return [{ path: ['after'], detail: 'must be `next` of an export' }]
  },
  async execute({ tx, tenantId }, { after = null }) {
    const { rows, hasMore } = await listScopes(tx, tenantId, {
      after,
      rowsMax: BULK_ROWS_MAX,
      bytesMax: BULK_DOCUMENT_BYTES_MAX - DOCUMENT_BYTES,
    })
    const next = hasMore ? (rows.at(-1)?.name ?? null) : null
    return {
      value: { version: BULK_DOCUMENT_VERSION, scopes: rows, next },
      audit: [
        {
          tenantId,
          action: 'scopes.exported',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id: formatPublicId('Tenant', tenantId) },
          detail: { count: rows.length, after, next },
        },
      ],
      events: [],
      invalidate: [],
    }
  },
})
