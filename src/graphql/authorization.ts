import { authorize } from '../actors/actor.ts'
import type { Caller } from '../actors/caller.ts'
import type { Permission } from '../actors/permissions.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { parsePublicIdOf } from '../public-id.ts'

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
 * caller belongs to it and lacks the permission. `tenantId` is the public id.
 */
export function requireTenantPermission(caller: Caller, permission: Permission, tenantId: string): true {
  requireAuthenticated(caller)
  const uuid = parsePublicIdOf('Tenant', tenantId)
  const authorization = uuid === null ? 'hidden' : authorize(caller.actor, permission, uuid)
  if (authorization === 'hidden') throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  if (authorization === 'forbidden') throw new KeywardError('FORBIDDEN', `This needs the permission \`${permission}\`.`)
  return true
}

/** The tenant's UUID, for a field whose `tenantPermission` was granted. */
export function requireTenantUuid(tenantId: string): string {
  const uuid = parsePublicIdOf('Tenant', tenantId)
  if (uuid === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  return uuid
}
