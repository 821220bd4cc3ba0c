import { defineTenantStateCommand } from './tenant-state-command.ts'

/** Resume a suspended tenant. Its keys are answered by their own rules again, and what expired meanwhile has expired. */
export const resumeTenant = defineTenantStateCommand({
  name: 'resume-tenant',
  event: 'tenant.resumed',
  findObstacle: ({ suspendedAt }) => (suspendedAt === null ? 'The tenant is not suspended.' : null),
  change: () => ({ suspendedAt: null }),
})
