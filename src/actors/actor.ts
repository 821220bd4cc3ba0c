import type { Role } from '../generated/prisma/enums.ts'
import { type Permission, roleHolds } from './permissions.ts'

export interface UserActor {
  readonly kind: 'user'
  readonly userId: string
  readonly sessionId: string
  /** By tenant, the one joined first at the beginning. */
  readonly roles: ReadonlyMap<string, Role>
  /** An owner or admin of the platform tenant acts as an owner in every tenant. */
  readonly isPlatformAdmin: boolean
}

export interface ApiKeyActor {
  readonly kind: 'apiKey'
  readonly apiKeyId: string
  readonly tenantId: string
  /** A key of the platform tenant holds its permissions in every tenant. */
  readonly isPlatform: boolean
  readonly permissions: ReadonlySet<Permission>
}

/** Who is doing something. `system` is Keyward itself; `anonymous` is whoever has not said. */
export type Actor = UserActor | ApiKeyActor | { readonly kind: 'system' } | { readonly kind: 'anonymous' }

export const SYSTEM: Actor = { kind: 'system' }
export const ANONYMOUS: Actor = { kind: 'anonymous' }

/**
 * What an actor is told when it asks to do something in a tenant. `hidden`: it must not learn that the tenant exists.
 */
export type Authorization = 'allowed' | 'forbidden' | 'hidden'

/** Whether the actor belongs to the tenant, which proves that there is such a tenant. */
export function belongsTo(actor: Actor, tenantId: string): boolean {
  switch (actor.kind) {
    case 'user':
      return actor.roles.has(tenantId)
    case 'apiKey':
      return actor.tenantId === tenantId
    default:
      return false
  }
}

/** Whether the actor belongs to any tenant. */
export function belongsSomewhere(actor: Actor): boolean {
  return actor.kind === 'apiKey' || (actor.kind === 'user' && actor.roles.size > 0)
}

/** Whether the actor may know that the tenant exists, if it does. */
export function canSeeTenant(actor: Actor, tenantId: string): boolean {
  switch (actor.kind) {
    case 'system':
      return true
    case 'anonymous':
      return false
    case 'user':
      return actor.isPlatformAdmin || actor.roles.has(tenantId)
    case 'apiKey':
      return actor.isPlatform || actor.tenantId === tenantId
  }
}

/** Whether the actor holds a permission in a tenant. Being hidden beats being forbidden. */
export function authorize(actor: Actor, permission: Permission, tenantId: string): Authorization {
  if (!canSeeTenant(actor, tenantId)) return 'hidden'
  return holdsPermission(actor, permission, tenantId) ? 'allowed' : 'forbidden'
}

function holdsPermission(actor: Actor, permission: Permission, tenantId: string): boolean {
  switch (actor.kind) {
    case 'system':
      return true
    case 'anonymous':
      return false
    case 'user': {
      if (actor.isPlatformAdmin) return true
      const role = actor.roles.get(tenantId)
      return role !== undefined && roleHolds(role, permission)
    }
    case 'apiKey':
      return actor.permissions.has(permission)
  }
}

/** Whether the actor holds a permission over the installation as a whole, which only the platform tenant can give. */
export function holdsPlatformPermission(actor: Actor, permission: Permission): boolean {
  switch (actor.kind) {
    case 'system':
      return true
    case 'anonymous':
      return false
    case 'user':
      return actor.isPlatformAdmin
    case 'apiKey':
      return actor.isPlatform && actor.permissions.has(permission)
  }
}

/** The tenants that the actor may look into with a permission; `all` for the platform's own. */
export function visibleTenantIds(actor: Actor, permission: Permission): 'all' | readonly string[] {
  switch (actor.kind) {
    case 'system':
      return 'all'
    case 'anonymous':
      return []
    case 'user':
      if (actor.isPlatformAdmin) return 'all'
      return [...actor.roles].filter(([, role]) => roleHolds(role, permission)).map(([tenantId]) => tenantId)
    case 'apiKey':
      if (!actor.permissions.has(permission)) return []
      return actor.isPlatform ? 'all' : [actor.tenantId]
  }
}
