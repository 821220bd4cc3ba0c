import { defineTenantCommand } from '../commands/command.ts'
import type { Membership } from '../generated/prisma/client.ts'
import type { Role } from '../generated/prisma/enums.ts'
import { requireGrantableRole } from './grantable-role.ts'
import { findTenantIdOfMember, lockMembership, type MemberHandle, requireAnotherOwner } from './membership-store.ts'

export interface SetMemberRoleInput extends MemberHandle {
  readonly role: Role
}

/** Give a member another role. It holds from the member's next request on. */
export const setMemberRole = defineTenantCommand<SetMemberRoleInput, Membership>({
  name: 'set-member-role',
  permission: 'members:update',
  tenantOf: (input, find) => findTenantIdOfMember(find, input),
  async execute({ tx, actor, tenantId }, { userId: publicId, role }) {
    const { tenant, membership } = await lockMembership(tx, tenantId, publicId)
    requireGrantableRole(actor, membership.role, tenant)
    requireGrantableRole(actor, role, tenant)
    if (role !== 'OWNER') await requireAnotherOwner(tx, membership)

    const where = { tenantId_userId: { tenantId, userId: membership.userId } }
    return {
      value: await tx.membership.update({ where, data: { role } }),
      audit: [
        {
          tenantId,
          action: 'member.role_changed',
          outcome: 'SUCCESS',
          resource: { type: 'User', id: publicId },
          detail: { before: { role: membership.role }, after: { role } },
        },
      ],
      events: [],
      invalidate: [],
    }
  },
})
