import { holdsPlatformPermission } from '../actors/actor.ts'
import type { Command, Refusal } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { PasswordReset, Prisma } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { toIssues } from './account-rules.ts'
import { endSessionsOf, findAccountRoles, hasPowerOver } from './account-store.ts'
import { describeFailure } from './failed-authentication.ts'
import { findIssuer } from './issuer.ts'
import { deleteLoginFailures, nameLoginSubject } from './login-failure-store.ts'
import type { LoginGuard } from './login-guard.ts'
import { hashOneTimeToken } from './one-time-token.ts'
import { findPasswordLengthFault } from './password-rules.ts'
import type { Passwords } from './passwords.ts'
import { findUserCredentialsById, type UserCredentials } from './user-store.ts'

export interface ResetPasswordInput {
  readonly token: string
  readonly newPassword: string
}

export interface ResetPasswordDeps {
  readonly passwords: Passwords
  readonly guard: LoginGuard
  readonly platformTenantId: () => string
}

interface Prepared {
  readonly user: UserCredentials | null
  /** Null when the token does not count. */
  readonly newHash: string | null
}

/**
 * Choose a new password by a token that an operator made. Every session of the person ends with the same commit, as with
 * each change of a password. The token works once, and for as long as who made it may do what the person may.
 */
export function resetPasswordCommand(
  deps: ResetPasswordDeps,
): Command<ResetPasswordInput, { userId: string }, Prepared> {
  return {
    name: 'reset-password',
    access: () => ({ kind: 'public' }),
    validate: ({ newPassword }) => toIssues('newPassword', findPasswordLengthFault(newPassword)),
    async prepare({ token, newPassword }, find, { origin: { ip } }) {
      const reset = await find.passwordReset.findUnique({ where: { tokenHash: hashOneTimeToken(token) } })
      const user = reset && (await findUserCredentialsById(find, reset.userId))
      if (reset === null || user === null) {
        if (!(await deps.guard.countUnknownToken(ip)).isFirst) throw worthless()
        return { user: null, newHash: null }
      }
      const about = [user.email, user.name ?? '']
      await deps.passwords.requireStrong({ password: newPassword, about }, ['input', 'newPassword'])
      return { user, newHash: await deps.passwords.hash(newPassword) }
    },
    async execute({ tx, now, origin }, { token }, { user, newHash }) {
      const tenantId = user?.homeTenantId ?? deps.platformTenantId()
      const userId = user && formatPublicId('User', user.id)
      const resource = { type: 'User', id: userId } as const
      const refusal: Refusal = {
        refuse: worthless(),
        audit: [
          {
            tenantId,
            action: 'password.rejected',
            outcome: 'FAILURE',
            resource,
            detail: { reason: userId === null ? 'reset token unknown' : 'reset token expired, used or withdrawn' },
          },
        ],
        events: [describeFailure(tenantId, 'PASSWORD_RESET', userId, origin.ip)],
      }
      if (user === null || userId === null || newHash === null) return refusal

      // The person is locked first, as by whoever makes a token. Deleting the token is what decides between two at once.
      await tx.$queryRaw`SELECT FROM users WHERE id = ${user.id}::uuid FOR UPDATE`
      const tokenHash = hashOneTimeToken(token)
      const reset = await tx.passwordReset.findUnique({ where: { tokenHash } })
      if (reset === null || reset.expiresAt <= now || !(await issuerStillMay(tx, reset, now))) return refusal
      await tx.passwordReset.delete({ where: { tokenHash }, select: { userId: true } })
      await tx.user.update({ where: { id: user.id }, data: { passwordHash: newHash, updatedAt: now } })
      const sessionsEnded = await endSessionsOf(tx, user.id, now)
      // Who forgot the password has tried some, and is not to wait for those to be forgotten too.
      await deleteLoginFailures(tx, nameLoginSubject(user.email, origin.ip))
      return {
        value: { userId: user.id },
        audit: [{ tenantId, action: 'user.password_reset', outcome: 'SUCCESS', resource, detail: { sessionsEnded } }],
        events: [{ type: 'user.password_reset', tenantId: deps.platformTenantId(), data: { userId } }],
        invalidate: [],
      }
    },
  }
}

/** An operator who was removed could otherwise come back by a token that was kept for that day. */
async function issuerStillMay(tx: Prisma.TransactionClient, reset: PasswordReset, now: Date): Promise<boolean> {
  const issuer = await findIssuer(tx, { userId: reset.createdByUserId, keyId: reset.createdByKeyId }, now)
  if (issuer === null || !holdsPlatformPermission(issuer, 'users:write')) return false
  return hasPowerOver(issuer, await findAccountRoles(tx, reset.userId))
}

function worthless(): KeywardError {
  return new KeywardError('INVALID_CREDENTIALS', 'The token does not count, or not any more; ask for another.')
}
