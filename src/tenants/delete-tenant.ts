import type { AuditEntry } from '../audit/audit-entry.ts'
import { defineTenantCommand } from '../commands/command.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import { formatPublicId, parsePublicIdOf } from '../public-id.ts'
import { deleteTenantRows, lockTenant } from './tenant-store.ts'

export interface DeleteTenantInput {
  readonly id: string
  /** The slug of the tenant, so that a slip of the mouse deletes nothing. */
  readonly confirmSlug: string
}

/** A tenant of a hundred thousand keys takes some ten seconds. */
const TRANSACTION_TIMEOUT_MS = 120_000

/**
 * Delete a tenant for good with its keys, its scopes, its memberships and all that was counted for it. Its tokens are nobody's
 * from the next verification on. The people stay, and so does the log: what happened is said at its end, and in the log of
 * the platform too, since nobody is left who could ask for that of the tenant.
 */
export const deleteTenant = defineTenantCommand<DeleteTenantInput, string>({
  name: 'delete-tenant',
  permission: 'tenants:delete',
  transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  tenantOf: ({ id }) => parsePublicIdOf('Tenant', id),
  async execute({ tx, now, tenantId, platformTenantId }, { confirmSlug }) {
    const tenant = await lockTenant(tx, tenantId, { toDelete: true })
    if (tenant.isPlatform) {
      throw new KeywardError('CONFLICT', 'The installation is run from this tenant, so it cannot be deleted.')
    }
    const { slug, name, keyPrefix } = tenant
    if (confirmSlug !== slug) {
      throw validationFailed([{ path: ['confirmSlug'], detail: 'must be the slug of the tenant' }])
    }
    const keys = await deleteTenantRows(tx, tenantId, now)

    const id = formatPublicId('Tenant', tenantId)
    const entry: AuditEntry = {
      tenantId,
      action: 'tenant.deleted',
      outcome: 'SUCCESS',
      resource: { type: 'Tenant', id },
      detail: { before: { name, slug, keyPrefix, keys } },
    }
    return {
      value: id,
      audit: [entry, { ...entry, tenantId: platformTenantId }],
      events: [{ type: 'tenant.deleted', tenantId, data: { tenantId: id, slug } }],
      invalidate: [{ kind: 'tenant', tenantId }],
    }
  },
})
