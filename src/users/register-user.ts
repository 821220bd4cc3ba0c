import type { Command } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { User } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { type NewAccount, validateAccount } from './account-rules.ts'
import type { LoginGuard } from './login-guard.ts'
import type { Passwords } from './passwords.ts'
import { findUserCredentials, insertUser } from './user-store.ts'

export interface RegisterUserDeps {
  readonly passwords: Passwords
  readonly guard: LoginGuard
  readonly isOpen: boolean
  readonly platformTenantId: () => string
}

/**
 * Sign up. The account belongs to no tenant, whatever was sent to its address: who has an invitation accepts it with its
 * token.
 *
 * That an address is taken has to be said, since nothing is sent by e-mail that could say it to the owner alone. So it is
 * made dear: each such answer counts as a failed login to that account, which locks the pair of account and address after
 * a few and throttles the address after many.
 */
export function registerUserCommand(deps: RegisterUserDeps): Command<NewAccount, User, { passwordHash: string }> {
  return {
    name: 'register-user',
    access: () => ({ kind: 'public' }),
    validate: validateAccount,
    async prepare({ email, password, name }, find, { origin: { ip } }) {
      if (!deps.isOpen) throw new KeywardError('FORBIDDEN', 'Nobody can sign up here; ask to be invited.')
      await deps.passwords.requireStrong({ password, about: [email, name ?? ''] }, ['input', 'password'])
      const passwordHash = await deps.passwords.hash(password)
      const isFree = async () => (await findUserCredentials(find, email)) === null
      if (!(await deps.guard.attempt({ email, ip }, isFree))) throw taken()
      return { passwordHash }
    },
    async execute({ tx, now, newId }, { email, name }, { passwordHash }) {
      const user = await insertUser(tx, { id: newId(), email, name: name ?? null, passwordHash, now }).catch(
        (error: unknown) => {
          throw isUniqueViolation(error) ? taken() : error
        },
      )
      return {
        value: user,
        audit: [
          {
            tenantId: deps.platformTenantId(),
            action: 'user.registered',
            outcome: 'SUCCESS',
            resource: { type: 'User', id: formatPublicId('User', user.id) },
            detail: { email: user.email },
          },
        ],
        events: [],
        invalidate: [],
      }
    },
  }
}

function taken(): KeywardError {
  return new KeywardError('CONFLICT', 'This address cannot be used; log in if it is yours.', {
    issues: [{ path: ['input', 'email'], detail: 'cannot be used' }],
  })
}
