import type { UserActor } from '../actors/actor.ts'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'

export interface UserCredentials {
  readonly id: string
  readonly email: string
  readonly passwordHash: string
  /** The tenant in which the sessions of this person are recorded. */
  readonly homeTenantId: string | null
}

/** Memberships from the oldest on; the first one's tenant is where the logins of a person are recorded. */
export const OLDEST_FIRST = [{ createdAt: 'asc' }, { tenantId: 'asc' }] as const

/** An address as it is stored and compared: people do not mean another account by another case. */
export function normalizeEmail(email: string): string {
  return email.trim().toLowerCase()
}

export async function findUserCredentials(find: PrismaClient, email: string): Promise<UserCredentials | null> {
  const user = await find.user.findUnique({
    where: { email: normalizeEmail(email) },
    select: {
      id: true,
      email: true,
      passwordHash: true,
      memberships: { select: { tenantId: true }, orderBy: [...OLDEST_FIRST], take: 1 },
    },
  })
  if (user === null) return null
  const { memberships, ...credentials } = user
  return { ...credentials, homeTenantId: memberships[0]?.tenantId ?? null }
}

/** The person behind a live session, with roles; null when the session has ended or run out. One statement. */
export async function findSessionActor(
  find: PrismaClient,
  sessionId: string,
  userId: string,
  now: Date,
): Promise<UserActor | null> {
  const session = await find.session.findUnique({
    where: { id: sessionId, userId, endedAt: null, expiresAt: { gt: now } },
    select: {
      user: {
        select: {
          memberships: {
            select: { tenantId: true, role: true, tenant: { select: { isPlatform: true } } },
            orderBy: [...OLDEST_FIRST],
          },
        },
      },
    },
  })
  if (session === null) return null
  const { memberships } = session.user
  return {
    kind: 'user',
    userId,
    sessionId,
    roles: new Map(memberships.map(({ tenantId, role }) => [tenantId, role])),
    isPlatformAdmin: memberships.some(
      ({ tenant, role }) => tenant.isPlatform && (role === 'OWNER' || role === 'ADMIN'),
    ),
  }
}

export async function insertUser(
  tx: Prisma.TransactionClient,
  user: { id: string; email: string; passwordHash: string; now: Date },
): Promise<void> {
  const { id, email, passwordHash, now } = user
  await tx.user.create({ data: { id, email: normalizeEmail(email), passwordHash, createdAt: now, updatedAt: now } })
}
