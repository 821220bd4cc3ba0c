import type { Command } from '../commands/command.ts'
import { type InputIssue, KeywardError } from '../errors/keyward-error.ts'
import { formatPublicId } from '../public-id.ts'
import { endSessionsOf } from './account-store.ts'
import { describeFailure } from './failed-authentication.ts'
import type { LoginGuard } from './login-guard.ts'
import { findPasswordLengthFault, PASSWORD_CHARACTERS_MAX } from './password-rules.ts'
import type { Passwords } from './passwords.ts'
import { findUserCredentialsById, lockCredentials, type UserCredentials } from './user-store.ts'

export interface ChangePasswordInput {
  readonly currentPassword: string
  readonly newPassword: string
}

interface Prepared {
  readonly user: UserCredentials
  /** Null when the current password is wrong. */
  readonly newHash: string | null
}

export interface ChangePasswordDeps {
  readonly passwords: Passwords
  readonly guard: LoginGuard
  readonly platformTenantId: () => string
}

/**
 * Change the caller's password. Every session of the person ends with the same commit, the caller's own included: whoever
 * changes a password because somebody else knows it cannot tell which sessions are whose.
 *
 * The current password is guessed at as often as in a login, so it is guarded like one.
 */
export function changePasswordCommand(
  deps: ChangePasswordDeps,
): Command<ChangePasswordInput, { userId: string }, Prepared> {
  return {
    name: 'change-password',
    access: () => ({ kind: 'user' }),
    validate: validatePasswords,
    async prepare({ currentPassword, newPassword }, find, { actor, origin: { ip } }) {
      const user = actor.kind === 'user' ? await findUserCredentialsById(find, actor.userId) : null
      if (user === null) throw new KeywardError('FORBIDDEN', 'Only a person has a password.')
      const verify = () => deps.passwords.verify(user.passwordHash, currentPassword)
      if (!(await deps.guard.attempt({ email: user.email, ip }, verify))) return { user, newHash: null }
      const about = [user.email, user.name ?? '']
      await deps.passwords.requireStrong({ password: newPassword, about }, ['input', 'newPassword'])
      return { user, newHash: await deps.passwords.hash(newPassword) }
    },
    async execute({ tx, now, origin }, _input, { user, newHash }) {
      const tenantId = user.homeTenantId ?? deps.platformTenantId()
      const userId = formatPublicId('User', user.id)
      const resource = { type: 'User', id: userId } as const
      // Of two changes at once the second finds that the password it was shown is not the current one any more.
      if (newHash === null || !(await lockCredentials(tx, user, 'FOR UPDATE'))) {
        return {
          refuse: new KeywardError('INVALID_CREDENTIALS', 'The current password is wrong.'),
          audit: [
            {
              tenantId,
              action: 'password.rejected',
              outcome: 'FAILURE',
              resource,
              detail: { reason: 'current password' },
            },
          ],
          events: [describeFailure(tenantId, 'PASSWORD', userId, origin.ip)],
        }
      }
      await tx.user.update({ where: { id: user.id }, data: { passwordHash: newHash, updatedAt: now } })
      const sessionsEnded = await endSessionsOf(tx, user.id, now)
      return {
        value: { userId: user.id },
        audit: [{ tenantId, action: 'password.changed', outcome: 'SUCCESS', resource, detail: { sessionsEnded } }],
        events: [],
        invalidate: [],
      }
    },
  }
}

function validatePasswords({ currentPassword, newPassword }: ChangePasswordInput): readonly InputIssue[] {
  const issues: InputIssue[] = []
  if (currentPassword.length > PASSWORD_CHARACTERS_MAX) {
    const detail = `must have at most ${PASSWORD_CHARACTERS_MAX} characters`
    issues.push({ path: ['input', 'currentPassword'], detail })
  }
  const fault =
    newPassword === currentPassword ? 'must differ from the current one' : findPasswordLengthFault(newPassword)
  if (fault !== null) issues.push({ path: ['input', 'newPassword'], detail: fault })
  return issues
}
