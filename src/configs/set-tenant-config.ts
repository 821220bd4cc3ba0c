import { defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import type { Tenant } from '../generated/prisma/client.ts'
import { formatPublicId, parsePublicIdOf } from '../public-id.ts'
import { lockTenant } from '../tenants/tenant-store.ts'
import type { TenantConfig } from './effective-config.ts'
import { findConfigIssues, planConfigChange } from './plan-config-change.ts'
import { readTenantConfig } from './stored-config.ts'

export interface SetTenantConfigInput {
  readonly tenantId: string
  readonly change: TenantConfig
  readonly expectedVersion?: number | null | undefined
}

/**
 * Set what a tenant decides for its keys and for all of them together. It counts from the next verification on. A call
 * that changes nothing is recorded, and nobody else is told.
 */
export const setTenantConfig = defineTenantCommand<SetTenantConfigInput, Tenant>({
  name: 'set-tenant-config',
  permission: 'configs:write',
  tenantOf: ({ tenantId }) => parsePublicIdOf('Tenant', tenantId),
  validate: ({ change }) => findConfigIssues('TENANT', change),
  async execute({ tx, now, tenantId }, { change, expectedVersion }) {
    const tenant = await lockTenant(tx, tenantId)
    requireVersion(tenant.version, expectedVersion)
    const { config, fields, before, after } = planConfigChange('TENANT', readTenantConfig(tenant.config), change)
    const hasChanged = fields.length > 0
    const id = formatPublicId('Tenant', tenantId)
    return {
      value: hasChanged
        ? await tx.tenant.update({
            where: { id: tenantId },
            data: { config, updatedAt: now, version: { increment: 1 } },
          })
        : tenant,
      audit: [
        {
          tenantId,
          action: 'config.updated',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id },
          detail: { before, after },
        },
      ],
      events: hasChanged ? [{ type: 'config.updated', tenantId, data: { tenantId: id, fields: [...fields] } }] : [],
      invalidate: hasChanged ? [{ kind: 'tenant', tenantId }] : [],
    }
  },
})
