import type { Actor } from '../actors/actor.ts'
import { authorize } from '../actors/actor.ts'
import type { Invitation, Prisma } from '../generated/prisma/client.ts'
import { mayGrantRole } from './grantable-role.ts'
import { findIssuer, toIssuer } from './issuer.ts'

/** Who invites, as it is kept with the invitation. */
export function describeInviter(actor: Actor): Pick<Invitation, 'invitedByUserId' | 'invitedByKeyId'> {
  const { userId, keyId } = toIssuer(actor)
  return { invitedByUserId: userId, invitedByKeyId: keyId }
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
  const { tenantId, role, invitedByUserId: userId, invitedByKeyId: keyId } = invitation
  const inviter = await findIssuer(tx, { userId, keyId }, now)
  if (inviter === null || authorize(inviter, 'members:invite', tenantId) !== 'allowed') return false
  const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { id: true, isPlatform: true } })
  return mayGrantRole(inviter, role, tenant)
}
