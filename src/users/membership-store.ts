import { KeywardError } from '../errors/keyward-error.ts'
import type { Membership, Prisma, PrismaClient, Tenant } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { lockTenant } from '../tenants/tenant-store.ts'

/** Whose member, by public ids. */
export interface MemberHandle {
  readonly tenantId: string
  readonly userId: string
}

/** The tenant's UUID, when the person belongs to it; null for everything else. */
export async function findTenantIdOfMember(find: PrismaClient, handle: MemberHandle): Promise<string | null> {
  const tenantId = parsePublicIdOf('Tenant', handle.tenantId)
  const userId = parsePublicIdOf('User', handle.userId)
  if (tenantId === null || userId === null) return null
  const where = { tenantId_userId: { tenantId, userId } }
  const membership = await find.membership.findUnique({ where, select: { tenantId: true } })
  return membership?.tenantId ?? null
}

/**
 * The membership as it is now, with its tenant locked until the transaction ends: who belongs to a tenant is changed by one at
 * a time, so that two owners who leave at once do not both find the other. Throws NOT_FOUND.
 */
export async function lockMembership(
  tx: Prisma.TransactionClient,
  tenantId: string,
  publicUserId: string,
): Promise<{ tenant: Tenant; membership: Membership }> {
  const tenant = await lockTenant(tx, tenantId)
  const userId = parsePublicIdOf('User', publicUserId)
  const membership =
    userId === null ? null : await tx.membership.findUnique({ where: { tenantId_userId: { tenantId, userId } } })
  if (membership === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  return { tenant, membership }
}

/** Throws CONFLICT when the member is the only owner. To be asked while the tenant is locked. One statement. */
export async function requireAnotherOwner(
  tx: Prisma.TransactionClient,
  { tenantId, userId, role }: Membership,
): Promise<void> {
  if (role !== 'OWNER') return
  const others = await tx.membership.count({ where: { tenantId, role: 'OWNER', userId: { not: userId } } })
  if (others > 0) return
  throw new KeywardError('CONFLICT', 'This is the only owner of the tenant: make somebody else an owner first.')
}
