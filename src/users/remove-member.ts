import { defineTenantCommand } from '../commands/command.ts'
import type { Tenant } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { requireGrantableRole } from './grantable-role.ts'
import { findTenantIdOfMember, lockMembership, type MemberHandle, requireAnotherOwner } from './membership-store.ts'

/**
 * Remove a member, or leave: everybody may do that for themselves. What the person may do here is read with each request, so it ends with the commit; sessions go on, for
 * the person's other tenants. Keys that the person created belong to the tenant and stay.
 */
export const removeMember = defineTenantCommand<MemberHandle, Tenant>({
  name: 'remove-member',
  permission: 'members:remove',
  selfOf: ({ userId }) => parsePublicIdOf('User', userId),
  tenantOf: (input, find) => findTenantIdOfMember(find, input),
  async execute({ tx, actor, tenantId }, { userId: publicId }) {
    const { tenant, membership } = await lockMembership(tx, tenantId, publicId)
    requireGrantableRole(actor, membership.role, tenant)
    await requireAnotherOwner(tx, membership)
    await tx.membership.delete({ where: { tenantId_userId: { tenantId, userId: membership.userId } } })
    return {
      value: tenant,
      audit: [
        {
          tenantId,
          action: 'member.removed',
          outcome: 'SUCCESS',
          resource: { type: 'User', id: publicId },
          detail: { before: { role: membership.role } },
        },
      ],
      events: [],
      invalidate: [],
    }
  },
})
