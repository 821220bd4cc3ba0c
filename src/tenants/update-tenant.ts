import { defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import type { Tenant } from '../generated/prisma/client.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { formatPublicId, parsePublicIdOf } from '../public-id.ts'
import { type TenantChanges, validateTenantChanges } from './tenant-rules.ts'
import { lockTenant } from './tenant-store.ts'

export interface UpdateTenantInput extends TenantChanges {
  readonly id: string
  readonly expectedVersion?: number | null | undefined
}

type Field = 'name' | 'timeZone'

/**
 * Change what a tenant is called and the zone in which its days and months begin. The zone counts from the next verification
 * on: whoever is in another day there begins that day with what was counted in it. Slug and prefix stay, since others
 * keep them: in URLs, and in tokens. A call that changes nothing is recorded, and nobody else is told.
 */
export const updateTenant = defineTenantCommand<UpdateTenantInput, Tenant>({
  name: 'update-tenant',
  permission: 'tenants:update',
  tenantOf: ({ id }) => parsePublicIdOf('Tenant', id),
  validate: validateTenantChanges,
  async execute({ tx, now, tenantId }, { name, timeZone, expectedVersion }) {
    const before = await lockTenant(tx, tenantId)
    requireVersion(before.version, expectedVersion)
    const after: Pick<Tenant, Field> = {
      name: name == null ? before.name : normalizeName(name),
      timeZone: timeZone ?? before.timeZone,
    }
    const fields = (['name', 'timeZone'] as const).filter((field) => before[field] !== after[field])
    const hasChanged = fields.length > 0
    const id = formatPublicId('Tenant', tenantId)
    return {
      value: hasChanged
        ? await tx.tenant.update({
            where: { id: tenantId },
            data: { ...after, updatedAt: now, version: { increment: 1 } },
          })
        : before,
      audit: [
        {
          tenantId,
          action: 'tenant.updated',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id },
          detail: { before: pick(before, fields), after: pick(after, fields) },
        },
      ],
      events: hasChanged
        ? [{ type: 'tenant.updated', tenantId, data: { tenantId: id, slug: before.slug, fields } }]
        : [],
      invalidate: hasChanged ? [{ kind: 'tenant', tenantId }] : [],
    }
  },
})

function pick(tenant: Pick<Tenant, Field>, fields: readonly Field[]): Record<string, string> {
  return Object.fromEntries(fields.map((field) => [field, tenant[field]]))
}
