import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { hashOneTimeToken } from './one-time-token.ts'

/** Whose invitation it is; null for an id that is none or names no invitation. */
export async function findTenantIdOfInvitation(find: PrismaClient, publicId: string): Promise<string | null> {
  const id = parsePublicIdOf('Invitation', publicId)
  if (id === null) return null
  const invitation = await find.invitation.findUnique({ where: { id }, select: { tenantId: true } })
  return invitation?.tenantId ?? null
}

const WITH_TENANT = { include: { tenant: { select: { name: true } } } } as const satisfies Prisma.InvitationDefaultArgs

/** An invitation and what its tenant is called. */
export type InvitationOfTenant = Prisma.InvitationGetPayload<typeof WITH_TENANT>

/** The invitation that a token belongs to, whatever has become of it. */
export function findInvitationByToken(find: PrismaClient, token: string): Promise<InvitationOfTenant | null> {
  return find.invitation.findUnique({ where: { tokenHash: hashOneTimeToken(token) }, ...WITH_TENANT })
}
