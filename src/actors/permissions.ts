import type { Role } from '../generated/prisma/enums.ts'

/**
 * The one table of permissions: what it allows and which roles hold it in their tenant. A machine holds a permission
 * when its key has the scope `keyward:` + the permission's name, or a wildcard over it.
 */
export const PERMISSIONS = {
  'tenants:read': { description: 'See the tenant.', roles: ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER'] },
  'tenants:create': { description: 'Create tenants; people and keys of the platform tenant alone.', roles: [] },
  'tenants:suspend': {
    description: 'Suspend and resume tenants; people and keys of the platform tenant alone.',
    roles: [],
  },
  'configs:write': { description: 'Set the configuration of the tenant and of its keys.', roles: ['OWNER', 'ADMIN'] },
  'credits:write': { description: 'Set and top up the credits of keys.', roles: ['OWNER', 'ADMIN'] },
  'keys:read': { description: 'See keys.', roles: ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER'] },
  'keys:create': { description: 'Create keys.', roles: ['OWNER', 'ADMIN', 'DEVELOPER'] },
  'keys:update': {
    description: 'Change what keys are called, what they may do, and until when.',
    roles: ['OWNER', 'ADMIN', 'DEVELOPER'],
  },
  'keys:rotate': { description: 'Give keys new tokens.', roles: ['OWNER', 'ADMIN', 'DEVELOPER'] },
  'keys:disable': { description: 'Disable and enable keys.', roles: ['OWNER', 'ADMIN', 'DEVELOPER'] },
  'keys:revoke': { description: 'Revoke keys.', roles: ['OWNER', 'ADMIN', 'DEVELOPER'] },
  'scopes:read': { description: 'See the catalogue of scopes.', roles: ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER'] },
  'scopes:write': { description: 'Add scopes to the catalogue.', roles: ['OWNER', 'ADMIN', 'DEVELOPER'] },
  verify: { description: 'Verify keys of the tenant by `/verify`.', roles: ['OWNER', 'ADMIN'] },
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
