import type { Actor } from '../actors/actor.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma, User } from '../generated/prisma/client.ts'
import type { Role } from '../generated/prisma/enums.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { mayGrantRole } from './grantable-role.ts'

/** What an operator decides about: a person with the roles that the person has everywhere. */
export interface Account {
  readonly user: User
  readonly roles: readonly AccountRole[]
}

export interface AccountRole {
  readonly role: Role
  readonly tenant: { readonly id: string; readonly slug: string; readonly isPlatform: boolean }
}

const ROLE = { role: true, tenant: { select: { id: true, slug: true, isPlatform: true } } } as const

/**
 * The person as it is now, locked until the transaction ends: no session is opened and no tenant joined meanwhile. Throws
 * NOT_FOUND. Three statements.
 */
export async function lockAccount(tx: Prisma.TransactionClient, publicId: string): Promise<Account> {
  const id = parsePublicIdOf('User', publicId)
  if (id !== null) await tx.$queryRaw`SELECT FROM users WHERE id = ${id}::uuid FOR UPDATE`
  const user = id === null ? null : await tx.user.findUnique({ where: { id } })
  if (user === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  return { user, roles: await findAccountRoles(tx, user.id) }
}

export function findAccountRoles(tx: Prisma.TransactionClient, userId: string): Promise<AccountRole[]> {
  return tx.membership.findMany({ where: { userId }, select: ROLE, orderBy: { tenantId: 'asc' } })
}

/**
 * Whether the actor may do everything that a person may who has these roles. Who may less could otherwise become that person,
 * or get rid of it: an ADMIN of the platform of its OWNER, a key that may change accounts of whoever may do everything.
 */
export function hasPowerOver(actor: Actor, roles: readonly AccountRole[]): boolean {
  return roles.every(({ role, tenant }) => mayGrantRole(actor, role, tenant))
}

/** Throws FORBIDDEN unless `hasPowerOver`. */
export function requirePowerOver(actor: Actor, roles: readonly AccountRole[]): void {
  if (hasPowerOver(actor, roles)) return
  throw new KeywardError('FORBIDDEN', 'The person may do more than the caller, who so cannot decide about the account.')
}

/** Ends every session of a person and says how many there were. One statement. */
export async function endSessionsOf(tx: Prisma.TransactionClient, userId: string, now: Date): Promise<number> {
  const { count } = await tx.session.updateMany({ where: { userId, endedAt: null }, data: { endedAt: now } })
  return count
}

/** Each statement takes about a second, and may take ten. */
const FORGETTING_KEYS_MAX = 10_000

/**
 * Deletes a person with sessions and memberships. Keys stay and forget who created, disabled or revoked them; the log
 * does not. Two statements, one more for each ten thousand such keys.
 */
export async function deleteAccountRows(tx: Prisma.TransactionClient, userId: string): Promise<void> {
  // Foreign keys would do the same in one statement, however many there are.
  for (;;) {
    const changed = await tx.$executeRaw`
      UPDATE api_keys
         SET created_by_user_id = nullif(created_by_user_id, ${userId}::uuid),
             disabled_by_user_id = nullif(disabled_by_user_id, ${userId}::uuid),
             revoked_by_user_id = nullif(revoked_by_user_id, ${userId}::uuid)
       WHERE id IN (SELECT id FROM api_keys
                     WHERE created_by_user_id = ${userId}::uuid OR disabled_by_user_id = ${userId}::uuid
                        OR revoked_by_user_id = ${userId}::uuid LIMIT ${FORGETTING_KEYS_MAX})`
    if (changed < FORGETTING_KEYS_MAX) break
  }
  await tx.user.delete({ where: { id: userId }, select: { id: true } })
}
