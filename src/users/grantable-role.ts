import { type Actor, authorize } from '../actors/actor.ts'
import { PERMISSION_NAMES, roleHolds } from '../actors/permissions.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Tenant } from '../generated/prisma/client.ts'
import type { Role } from '../generated/prisma/enums.ts'

const RANKS: Readonly<Record<Role, number>> = { VIEWER: 0, DEVELOPER: 1, ADMIN: 2, OWNER: 3 }

/**
 * Throws FORBIDDEN when the role allows something that the actor may not do: nobody can give, or take from others, more than
 * they have. So an ADMIN neither makes nor removes an OWNER, and a key manages those whose permissions it holds.
 */
export function requireGrantableRole(actor: Actor, role: Role, tenant: Pick<Tenant, 'id' | 'isPlatform'>): void {
  if (mayGrantRole(actor, role, tenant)) return
  throw new KeywardError('FORBIDDEN', `The caller may do less than the role ${role} allows, so it cannot decide on it.`)
}

/** The same as an answer. */
export function mayGrantRole(actor: Actor, role: Role, tenant: Pick<Tenant, 'id' | 'isPlatform'>): boolean {
  // Admins of the platform act as owners everywhere else; among themselves their own role counts.
  if (tenant.isPlatform && actor.kind === 'user') {
    const own = actor.roles.get(tenant.id)
    return own !== undefined && RANKS[own] >= RANKS[role]
  }
  // Who runs the platform holds every permission there is, more than the role by itself.
  const isForAll = tenant.isPlatform && RANKS[role] >= RANKS.ADMIN
  return PERMISSION_NAMES.filter((permission) => isForAll || roleHolds(role, permission)).every(
    (permission) => authorize(actor, permission, tenant.id) === 'allowed',
  )
}
