import { BULK_DOCUMENT_VERSION } from '../commands/bulk-document.ts'
import { defineTenantCommand } from '../commands/command.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'

export interface ScopeDocument {
  readonly version: string
  readonly scopes: readonly {
    readonly name: string
    readonly description: string | null
    readonly category: string | null
    readonly active: boolean
  }[]
}

/** A whole catalogue as a document that can be imported. That somebody took it out is recorded; hence a command. */
export const exportScopes = defineTenantCommand<{ readonly tenantId: string }, ScopeDocument>({
  name: 'export-scopes',
  permission: 'scopes:export',
  tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
  async execute({ tx, tenantId }) {
    const scopes = await tx.scope.findMany({
      where: { tenantId },
      select: { name: true, description: true, category: true, active: true },
      orderBy: { name: 'asc' },
    })
    return {
      value: { version: BULK_DOCUMENT_VERSION, scopes },
      audit: [
        {
          tenantId,
          action: 'scopes.exported',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id: formatPublicId('Tenant', tenantId) },
          detail: { count: scopes.length },
        },
      ],
      events: [],
      invalidate: [],
    }
  },
})
