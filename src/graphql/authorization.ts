import { authorize, belongsSomewhere, belongsTo, holdsPlatformPermission, visibleTenantIds } from '../actors/actor.ts'
import type { Caller } from '../actors/caller.ts'
import type { Permission } from '../actors/permissions.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { parsePublicIdOf } from '../public-id.ts'
import type { GraphQLContext } from './context.ts'

/** Throws UNAUTHENTICATED for a caller who has not said who it is. */
export function requireAuthenticated({ actor }: Caller): true {
  if (actor.kind === 'anonymous') {
    throw new KeywardError(
      'UNAUTHENTICATED',
      'Log in with `sessionCreate`, then send `Authorization: Bearer <accessToken>`.',
    )
  }
  return true
}

/**
 * Throws NOT_FOUND for a tenant that does not exist or is not the caller's, in the same words, and FORBIDDEN when the
 * caller belongs to it and lacks the permission. `tenantId` is the public id. At most one statement.
 */
export async function requireTenantPermission(
  { caller, prisma }: Pick<GraphQLContext, 'caller' | 'prisma'>,
  permission: Permission,
  tenantId: string,
): Promise<true> {
  requireAuthenticated(caller)
  const { actor } = caller
  const id = requireTenantUuid(tenantId)
  const authorization = authorize(actor, permission, id)
  if (authorization === 'hidden') throw notFound()
  if (authorization === 'forbidden') throw lacks(permission)
  // Whoever may look into every tenant can name one that there is not.
  const exists =
    belongsTo(actor, id) || (await prisma.tenant.findUnique({ where: { id }, select: { id: true } })) !== null
  if (!exists) throw notFound()
  return true
}

/** Throws FORBIDDEN when the caller lacks a permission over the installation as a whole. No statement. */
export function requirePlatformPermission(caller: Caller, permission: Permission): true {
  requireAuthenticated(caller)
  if (holdsPlatformPermission(caller.actor, permission)) return true
  throw new KeywardError('FORBIDDEN', `This needs the permission \`${permission}\`, in the platform tenant.`)
}

/** Throws FORBIDDEN when the caller lacks a permission in a tenant that it has been shown. Takes the UUID. No statement. */
export function requirePermissionIn({ actor }: Caller, permission: Permission, tenantId: string): true {
  if (authorize(actor, permission, tenantId) === 'allowed') return true
  throw lacks(permission)
}

/**
 * The tenants that the caller may look into with a permission. Throws FORBIDDEN for one that belongs to tenants and holds it
 * in none of them, whatever it asks for: so it learns why it sees nothing, and nothing of what there is.
 */
export function requireTenantIdsWith({ actor }: Caller, permission: Permission): 'all' | readonly string[] {
  const tenantIds = visibleTenantIds(actor, permission)
  if (tenantIds.length === 0 && belongsSomewhere(actor)) throw lacks(permission)
  return tenantIds
}

/** The tenant's UUID, for a field whose `tenantPermission` was granted. */
export function requireTenantUuid(tenantId: string): string {
  const uuid = parsePublicIdOf('Tenant', tenantId)
  if (uuid === null) throw notFound()
  return uuid
}

function lacks(permission: Permission): KeywardError {
  return new KeywardError('FORBIDDEN', `This needs the permission \`${permission}\`.`)
}

function notFound(): KeywardError {
  return new KeywardError('NOT_FOUND', 'There is nothing under this id.')
}
