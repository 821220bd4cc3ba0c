import { type Command, defineTenantCommand } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Tenant } from '../generated/prisma/client.ts'
import { formatPublicId, parsePublicIdOf } from '../public-id.ts'
import { lockTenant } from './tenant-store.ts'

export interface TenantStateInput {
  readonly id: string
}

export interface TenantStateSpec {
  readonly name: string
  readonly event: 'tenant.suspended' | 'tenant.resumed'
  /** Why the tenant's state forbids the change; null when it does not. */
  readonly findObstacle: (tenant: Tenant) => string | null
  readonly change: (now: Date) => Pick<Tenant, 'suspendedAt'>
}

/** A command of the platform that moves a tenant from one state to another. */
export function defineTenantStateCommand(spec: TenantStateSpec): Command<TenantStateInput, Tenant> {
  return defineTenantCommand<TenantStateInput, Tenant>({
    name: spec.name,
    permission: 'tenants:suspend',
    platformOnly: true,
    tenantOf: ({ id }) => parsePublicIdOf('Tenant', id),
    async execute({ tx, now, tenantId }) {
      const before = await lockTenant(tx, tenantId)
      const obstacle = spec.findObstacle(before)
      if (obstacle !== null) throw new KeywardError('CONFLICT', obstacle)

      const after = await tx.tenant.update({
        where: { id: tenantId },
        data: { ...spec.change(now), updatedAt: now, version: { increment: 1 } },
      })
      const id = formatPublicId('Tenant', tenantId)
      return {
        value: after,
        audit: [
          {
            tenantId,
            action: spec.event,
            outcome: 'SUCCESS',
            resource: { type: 'Tenant', id },
            detail: {
              before: { suspendedAt: before.suspendedAt?.toISOString() ?? null },
              after: { suspendedAt: after.suspendedAt?.toISOString() ?? null },
            },
          },
        ],
        events: [{ type: spec.event, tenantId, data: { tenantId: id, slug: after.slug } }],
        invalidate: [{ kind: 'tenant', tenantId }],
      }
    },
  })
}
