import { createTenantCommand } from './create-tenant.ts'

export type TenantCommands = ReturnType<typeof createTenantCommands>

/** The commands of tenants that depend on settings. */
export function createTenantCommands(deps: { readonly signupIsOpen: boolean }) {
  return { create: createTenantCommand(deps) }
}
