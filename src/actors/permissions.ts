import type { Role } from '../generated/prisma/enums.ts'

const EVERYBODY = ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER'] as const
const WRITERS = ['OWNER', 'ADMIN', 'DEVELOPER'] as const
const ADMINS = ['OWNER', 'ADMIN'] as const
/** What a tenant may not do to itself: people and keys of the platform tenant alone. */
const PLATFORM_ALONE = [] as const

/**
 * The one table of permissions: what it allows and which roles hold it in their tenant. A machine holds a permission
 * when its key has the scope `keyward:` + the permission's name, or a wildcard over it.
 */
export const PERMISSIONS = {
  'tenants:read': { description: 'See the tenant.', roles: EVERYBODY },
  'tenants:create': {
    description: 'Create tenants; people and keys of the platform tenant alone.',
    roles: PLATFORM_ALONE,
  },
  'tenants:update': { description: 'Change what the tenant is called and its time zone.', roles: ADMINS },
  'tenants:suspend': {
    description: 'Suspend and resume tenants; people and keys of the platform tenant alone.',
    roles: PLATFORM_ALONE,
  },
  'tenants:delete': { description: 'Delete the tenant with all that belongs to it.', roles: ['OWNER'] },
  'members:read': { description: 'See who belongs to the tenant, and who is invited.', roles: EVERYBODY },
  'members:invite': { description: 'Invite people into the tenant, and take invitations back.', roles: ADMINS },
  'members:update': { description: 'Change the roles of members.', roles: ADMINS },
  'members:remove': { description: 'Remove members.', roles: ADMINS },
  'users:read': {
    description: 'See everybody who has an account; people and keys of the platform tenant alone.',
    roles: PLATFORM_ALONE,
  },
  'users:write': {
    description:
      'End the sessions of anybody, and let them choose a new password; people and keys of the platform tenant alone.',
    roles: PLATFORM_ALONE,
  },
  'users:delete': {
    description: 'Delete accounts; people and keys of the platform tenant alone.',
    roles: PLATFORM_ALONE,
  },
  'configs:read': { description: 'See the configuration of the tenant and of its keys.', roles: EVERYBODY },
  'configs:write': { description: 'Set the configuration of the tenant and of its keys.', roles: ADMINS },
  'configs:import': {
    description: 'Set the configuration of the tenant and of many keys from one document.',
    roles: ADMINS,
  },
  'configs:export': {
    description: 'Take the configuration of the tenant and of its keys out as a document.',
    roles: EVERYBODY,
  },
  'credits:write': { description: 'Set and top up the credits of keys.', roles: ADMINS },
  'keys:read': { description: 'See keys.', roles: EVERYBODY },
  'keys:create': { description: 'Create keys.', roles: WRITERS },
  'keys:update': { description: 'Change what keys are called, what they may do, and until when.', roles: WRITERS },
  'keys:rotate': { description: 'Give keys new tokens.', roles: WRITERS },
  'keys:disable': { description: 'Disable and enable keys.', roles: WRITERS },
  'keys:revoke': { description: 'Revoke keys.', roles: WRITERS },
  'keys:delete': { description: 'Delete keys for good.', roles: ADMINS },
  'private-metadata:read': { description: 'See the private metadata of keys.', roles: WRITERS },
  'keys:import': { description: 'Bring in keys of other systems by their hashes.', roles: ADMINS },
  'scopes:read': { description: 'See the catalogue of scopes.', roles: EVERYBODY },
  'scopes:write': { description: 'Add scopes to the catalogue.', roles: WRITERS },
  'scopes:update': { description: 'Describe scopes anew, switch them off and on.', roles: WRITERS },
  'scopes:delete': { description: 'Take scopes out of the catalogue, and so from every key.', roles: ADMINS },
  'scopes:import': { description: 'Bring in a catalogue of scopes from a document.', roles: WRITERS },
  'scopes:export': { description: 'Take the catalogue of scopes out as a document.', roles: EVERYBODY },
  'openapi:read': { description: 'See the operations that were imported from OpenAPI documents.', roles: EVERYBODY },
  'openapi:write': { description: 'Import the operations and scopes of OpenAPI documents.', roles: WRITERS },
  'openapi:delete': { description: 'Delete operations that were imported.', roles: ADMINS },
  'openapi:generate': { description: 'Analyze OpenAPI documents and generate scopes from them.', roles: WRITERS },
  'webhooks:read': { description: 'See webhook endpoints and what was delivered to them.', roles: WRITERS },
  'webhooks:write': { description: 'Create and change webhook endpoints, and rotate their secrets.', roles: WRITERS },
  'webhooks:delete': { description: 'Delete webhook endpoints.', roles: WRITERS },
  'webhooks:retry': { description: 'Send deliveries again.', roles: WRITERS },
  'alerts:read': {
    description: 'See alerts and their rules, and hear of alerts as they are raised.',
    roles: EVERYBODY,
  },
  'alerts:write': { description: 'Create and change the rules of alerts.', roles: WRITERS },
  'alerts:delete': { description: 'Delete the rules of alerts.', roles: WRITERS },
  'alerts:acknowledge': { description: 'Acknowledge alerts.', roles: WRITERS },
  'sensitive-fields:read': { description: 'See which fields are hidden, and how.', roles: EVERYBODY },
  'sensitive-fields:write': { description: 'Decide which fields are hidden, and how.', roles: ADMINS },
  'sensitive-fields:delete': { description: 'Delete rules that hide fields.', roles: ADMINS },
  'audit:read': { description: 'Read the audit log.', roles: ADMINS },
  'audit:verify': { description: 'Check that nobody tampered with the audit log.', roles: ADMINS },
  'audit:export': { description: 'Take the audit log out as a document.', roles: ADMINS },
  'usage:read': { description: 'See how often keys are used, and what was denied.', roles: EVERYBODY },
  verify: { description: 'Verify keys of the tenant by `/verify`.', roles: ADMINS },
} as const satisfies Record<string, { description: string; roles: readonly Role[] }>

export type Permission = keyof typeof PERMISSIONS

export const PERMISSION_NAMES = Object.keys(PERMISSIONS) as readonly Permission[]

/** The namespace of scopes that stand for permissions; no tenant's catalogue may use it. */
export const PERMISSION_SCOPE_PREFIX = 'keyward:'

/** Whether a role holds a permission in its own tenant. */
export function roleHolds(role: Role, permission: Permission): boolean {
  const roles: readonly Role[] = PERMISSIONS[permission].roles
  return roles.includes(role)
}

/** The scope that a key needs in order to hold a permission. */
export function permissionScope(permission: Permission): string {
  return PERMISSION_SCOPE_PREFIX + permission
}

/** The permissions that a reserved scope stands for; more than one for a wildcard, none for an unknown name. */
export function permissionsOfScope(scope: string): readonly Permission[] {
  if (!scope.startsWith(PERMISSION_SCOPE_PREFIX)) return []
  const name = scope.slice(PERMISSION_SCOPE_PREFIX.length)
  if (name === '*') return PERMISSION_NAMES
  if (name.endsWith(':*')) return PERMISSION_NAMES.filter((permission) => permission.startsWith(name.slice(0, -1)))
  return PERMISSION_NAMES.filter((permission) => permission === name)
}
