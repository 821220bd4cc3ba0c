import { defineTenantCommand } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Invitation } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { lockTenant } from '../tenants/tenant-store.ts'
import { requireGrantableRole } from './grantable-role.ts'
import { deriveInvitationStatus } from './invitation-status.ts'
import { findTenantIdOfInvitation } from './invitation-store.ts'

/** Take an invitation back. Its token counts no more. */
export const revokeInvitation = defineTenantCommand<{ readonly id: string }, Invitation>({
  name: 'revoke-invitation',
  permission: 'members:invite',
  tenantOf: ({ id }, find) => findTenantIdOfInvitation(find, id),
  async execute({ tx, now, actor, tenantId }, { id: publicId }) {
    const tenant = await lockTenant(tx, tenantId)
    const id = parsePublicIdOf('Invitation', publicId)
    const invitation = id === null ? null : await tx.invitation.findUnique({ where: { id, tenantId } })
    if (invitation === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
    requireGrantableRole(actor, invitation.role, tenant)
    const status = deriveInvitationStatus(invitation, now)
    // One that was accepted at this moment is not open any more: the update waits for that, then finds nothing.
    const [revoked] = await tx.invitation.updateManyAndReturn({
      where: { id: invitation.id, acceptedAt: null, revokedAt: null },
      data: { revokedAt: now },
    })
    if (revoked === undefined) {
      throw new KeywardError('CONFLICT', `The invitation is not open any more: it is ${status}.`)
    }
    return {
      value: revoked,
      audit: [
        {
          tenantId,
          action: 'invitation.revoked',
          outcome: 'SUCCESS',
          resource: { type: 'Invitation', id: publicId },
          detail: { before: { status, email: revoked.email, role: revoked.role } },
        },
      ],
      events: [],
      invalidate: [],
    }
  },
})
