import type { Actor } from '../actors/actor.ts'
import { authorize } from '../actors/actor.ts'
import { PERMISSION_NAMES, permissionScope } from '../actors/permissions.ts'
import type { Invitation, Prisma } from '../generated/prisma/client.ts'
import { compileScopeSet } from '../scopes/scope-set.ts'
import { mayGrantRole } from './grantable-role.ts'
import { toUserActor } from './user-store.ts'

/** Who invites, as it is kept with the invitation. */
export function describeInviter(actor: Actor): Pick<Invitation, 'invitedByUserId' | 'invitedByKeyId'> {
  return {
    invitedByUserId: actor.kind === 'user' ? actor.userId : null,
    invitedByKeyId: actor.kind === 'apiKey' ? actor.apiKeyId : null,
  }
}

/**
 * Whether who invited may still give the role: somebody who was removed, or a key that was revoked, could otherwise come
 * back by an invitation that was kept for that day.
 */
export async function inviterStillMay(
  tx: Prisma.TransactionClient,
  invitation: Pick<Invitation, 'tenantId' | 'role' | 'invitedByUserId' | 'invitedByKeyId'>,
  now: Date,
): Promise<boolean> {
  const { tenantId, role } = invitation
  const inviter = await findInviter(tx, invitation, now)
  if (inviter === null || authorize(inviter, 'members:invite', tenantId) !== 'allowed') return false
  const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { id: true, isPlatform: true } })
  return mayGrantRole(inviter, role, tenant)
}

async function findInviter(
  tx: Prisma.TransactionClient,
  { invitedByUserId: userId, invitedByKeyId }: Pick<Invitation, 'invitedByUserId' | 'invitedByKeyId'>,
  now: Date,
): Promise<Actor | null> {
  const tenant = { select: { isPlatform: true } } as const
  if (userId !== null) {
    const select = { tenantId: true, role: true, tenant } as const
    return toUserActor(userId, '', await tx.membership.findMany({ where: { userId }, select }))
  }
  if (invitedByKeyId === null) return null
  const key = await tx.apiKey.findUnique({ where: { id: invitedByKeyId }, include: { tenant } })
  if (key === null || key.revokedAt !== null || key.disabledAt !== null) return null
  if (key.expiresAt !== null && key.expiresAt <= now) return null
  const scopes = compileScopeSet(key.scopes, [])
  return {
    kind: 'apiKey',
    apiKeyId: key.id,
    tenantId: key.tenantId,
    isPlatform: key.tenant.isPlatform,
    permissions: new Set(PERMISSION_NAMES.filter((permission) => scopes.grants(permissionScope(permission)))),
  }
}
