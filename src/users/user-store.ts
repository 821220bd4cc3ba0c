import type { UserActor } from '../actors/actor.ts'
import type { Prisma, PrismaClient, User } from '../generated/prisma/client.ts'
import type { Role } from '../generated/prisma/enums.ts'
import { normalizeEmail } from './account-rules.ts'

export interface UserCredentials {
  readonly id: string
  readonly email: string
  readonly name: string | null
  readonly passwordHash: string
  /** The tenant in which the sessions of this person are recorded. */
  readonly homeTenantId: string | null
}

/** Memberships from the oldest on; the first one's tenant is where the logins of a person are recorded. */
export const OLDEST_FIRST = [{ createdAt: 'asc' }, { tenantId: 'asc' }] as const

const CREDENTIALS = {
  id: true,
  email: true,
  name: true,
  passwordHash: true,
  memberships: { select: { tenantId: true }, orderBy: [...OLDEST_FIRST], take: 1 },
} as const satisfies Prisma.UserSelect

type CredentialsRow = Prisma.UserGetPayload<{ select: typeof CREDENTIALS }>

export async function findUserCredentials(find: PrismaClient, email: string): Promise<UserCredentials | null> {
  return toCredentials(await find.user.findUnique({ where: { email: normalizeEmail(email) }, select: CREDENTIALS }))
}

export async function findUserCredentialsById(find: PrismaClient, id: string): Promise<UserCredentials | null> {
  return toCredentials(await find.user.findUnique({ where: { id }, select: CREDENTIALS }))
}

function toCredentials(user: CredentialsRow | null): UserCredentials | null {
  if (user === null) return null
  const { memberships, ...credentials } = user
  return { ...credentials, homeTenantId: memberships[0]?.tenantId ?? null }
}

/**
 * Whether the password that was compared before the transaction is the current one still, and keeps it so until the end.
 * Without this a login that is under way while the password is changed would open a session that outlives the change.
 */
export async function lockCredentials(
  tx: Prisma.TransactionClient,
  { id, passwordHash }: Pick<UserCredentials, 'id' | 'passwordHash'>,
  strength: 'FOR SHARE' | 'FOR UPDATE' = 'FOR SHARE',
): Promise<boolean> {
  const rows =
    strength === 'FOR SHARE'
      ? await tx.$queryRaw<
          object[]
        >`SELECT 1 AS found FROM users WHERE id = ${id}::uuid AND password_hash = ${passwordHash} FOR SHARE`
      : await tx.$queryRaw<
          object[]
        >`SELECT 1 AS found FROM users WHERE id = ${id}::uuid AND password_hash = ${passwordHash} FOR UPDATE`
  return rows.length === 1
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
  return toUserActor(userId, sessionId, session.user.memberships)
}

interface MembershipOfActor {
  readonly tenantId: string
  readonly role: Role
  readonly tenant: { readonly isPlatform: boolean }
}

export function toUserActor(userId: string, sessionId: string, memberships: readonly MembershipOfActor[]): UserActor {
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
  user: { id: string; email: string; name: string | null; passwordHash: string; now: Date },
): Promise<User> {
  const { email, now, ...fields } = user
  return tx.user.create({ data: { ...fields, email: normalizeEmail(email), createdAt: now, updatedAt: now } })
}
