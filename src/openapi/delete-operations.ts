import { defineTenantCommand } from '../commands/command.ts'
import { type InputIssue, validationFailed } from '../errors/keyward-error.ts'
import type { Tenant } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { isNamespace } from './openapi-rules.ts'
import { deleteOperationRows } from './operation-store.ts'

export interface DeleteOperationsInput {
  readonly tenantId: string
  readonly namespace: string
}

export interface DeletedOperations {
  readonly tenant: Tenant
  readonly deletedCount: number
}

const WITHOUT_OPERATIONS: InputIssue = { path: ['namespace'], detail: 'is none that operations were imported into' }

/**
 * Delete the operations that were imported into one namespace. From the next verification on, no request that asks for
 * `requireOperationScope` is allowed by them. Their scopes stay in the catalogue, where keys may hold them.
 */
export const deleteOperations = defineTenantCommand<DeleteOperationsInput, DeletedOperations>({
  name: 'delete-operations',
  permission: 'openapi:delete',
  tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
  validate: ({ namespace }) => (isNamespace(namespace) ? [] : [WITHOUT_OPERATIONS]),
  async execute({ tx, newId, tenantId }, { namespace }) {
    const { tenant, deletedCount } = await deleteOperationRows(tx, { tenantId, namespace, revision: newId() })
    if (deletedCount === 0) throw validationFailed([WITHOUT_OPERATIONS])
    const id = formatPublicId('Tenant', tenantId)
    return {
      value: { tenant, deletedCount },
      audit: [
        {
          tenantId,
          action: 'openapi.operations_deleted',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id },
          detail: { namespace, deletedCount },
        },
      ],
      events: [{ type: 'openapi.operations_deleted', tenantId, data: { tenantId: id, namespace, deletedCount } }],
      invalidate: [{ kind: 'tenant', tenantId }],
    }
  },
})
