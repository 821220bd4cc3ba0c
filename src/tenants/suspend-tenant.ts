import { defineTenantStateCommand } from './tenant-state-command.ts'

/**
 * Suspend a tenant: every one of its keys is denied from the next verification on. The platform's own tenant cannot be:
 * its verifiers serve all others, and nobody would be left to resume it.
 */
export const suspendTenant = defineTenantStateCommand({
  name: 'suspend-tenant',
  event: 'tenant.suspended',
  findObstacle({ isPlatform, suspendedAt }) {
    if (isPlatform) return 'The installation is run from this tenant, so it cannot be suspended.'
    return suspendedAt === null ? null : 'The tenant is suspended already.'
  },
  change: (now) => ({ suspendedAt: now }),
})
