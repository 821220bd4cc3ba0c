import type { AuditEntry } from '../audit/audit-entry.ts'
import { defineCommand } from '../commands/command.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { normalizeEmail } from './account-rules.ts'
import {
  type AccountRole,
  deleteAccountRows,
  findAccountRoles,
  lockAccount,
  requirePowerOver,
} from './account-store.ts'

export interface DeleteUserInput {
  readonly id: string
  /** The address of the account, so that a slip of the mouse deletes nothing. */
  readonly confirmEmail: string
}

/** Somebody may have created a hundred thousand keys. */
const TRANSACTION_TIMEOUT_MS = 120_000

/**
 * Delete an account for good, as an operator does with one whose owner left, or that a stranger made for somebody else's
 * address. Sessions end with it, and its address is free again. Keys that the person created belong to their tenants and
 * stay; so does the log, which says at its end what happened, in each tenant that has lost a member.
 */
export const deleteUser = defineCommand<DeleteUserInput, string>({
  name: 'delete-user',
  transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  access: () => ({ kind: 'platform', permission: 'users:delete' }),
  validate: () => [],
  async execute({ tx, actor, platformTenantId }, { id: publicId, confirmEmail }) {
    const { user } = await lockAccount(tx, publicId)
    await lockTenantsOf(tx, user.id)
    const roles = await findAccountRoles(tx, user.id)
    requirePowerOver(actor, roles)
    if (normalizeEmail(confirmEmail) !== user.email) {
      throw validationFailed([{ path: ['confirmEmail'], detail: 'must be the address of the account' }])
    }
    await requireOthers(tx, user.id, roles)
    await deleteAccountRows(tx, user.id)

    const resource = { type: 'User', id: publicId } as const
    const left = roles.map(
      ({ role, tenant }): AuditEntry => ({
        tenantId: tenant.id,
        action: 'member.removed',
        outcome: 'SUCCESS',
        resource,
        detail: { before: { role }, reason: 'account deleted' },
      }),
    )
    const { email, name, createdAt } = user
    return {
      value: publicId,
      audit: [
        {
          tenantId: platformTenantId,
          action: 'user.deleted',
          outcome: 'SUCCESS',
          resource,
          detail: { before: { email, name, createdAt: createdAt.toISOString(), memberships: roles.length } },
        },
        ...left,
      ],
      events: [{ type: 'user.deleted', tenantId: platformTenantId, data: { userId: publicId } }],
      invalidate: [],
    }
  },
})

/** In one order, so that two deletions at once do not wait for each other. The roles are to be read afterwards. */
async function lockTenantsOf(tx: Prisma.TransactionClient, userId: string): Promise<void> {
  await tx.$queryRaw`
    SELECT FROM tenants WHERE id IN (SELECT tenant_id FROM memberships WHERE user_id = ${userId}::uuid)
     ORDER BY id FOR NO KEY UPDATE`
}

/** Tenants that are named to who has to find them another owner first. */
const NAMED_MAX = 5

/** Throws CONFLICT when a tenant would be left without an owner, or the installation without an admin. Two statements. */
async function requireOthers(
  tx: Prisma.TransactionClient,
  userId: string,
  roles: readonly AccountRole[],
): Promise<void> {
  const owned = roles.filter(({ role }) => role === 'OWNER').map(({ tenant }) => tenant)
  const others = await tx.membership.findMany({
    where: { tenantId: { in: owned.map(({ id }) => id) }, role: 'OWNER', userId: { not: userId } },
    select: { tenantId: true },
    distinct: ['tenantId'],
  })
  const orphaned = owned.filter(({ id }) => !others.some(({ tenantId }) => tenantId === id))
  if (orphaned.length > 0) {
    const named = orphaned.slice(0, NAMED_MAX).map(({ slug }) => `\`${slug}\``)
    const all = orphaned.length > NAMED_MAX ? [...named, `${orphaned.length - NAMED_MAX} more`] : named
    throw new KeywardError(
      'CONFLICT',
      `This is the only owner of ${all.join(', ')}: make somebody else an owner first, or delete the tenant.`,
    )
  }
  const administered = roles.find(({ role, tenant }) => tenant.isPlatform && (role === 'OWNER' || role === 'ADMIN'))
  if (administered === undefined) return
  const admins = await tx.membership.count({
    where: { tenantId: administered.tenant.id, role: { in: ['OWNER', 'ADMIN'] }, userId: { not: userId } },
  })
  if (admins > 0) return
  throw new KeywardError('CONFLICT', 'This is the last admin of the installation: make somebody else an admin first.')
}
