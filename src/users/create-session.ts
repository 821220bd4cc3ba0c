import type { Command } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { formatPublicId } from '../public-id.ts'
import type { AccessTokens } from './access-tokens.ts'
import { describeFailure } from './failed-authentication.ts'
import type { LoginGuard } from './login-guard.ts'
import { generateOneTimeToken } from './one-time-token.ts'
import { PASSWORD_CHARACTERS_MAX } from './password-rules.ts'
import type { Passwords } from './passwords.ts'
import { findUserCredentials, lockCredentials, type UserCredentials } from './user-store.ts'

export interface SessionTokens {
  readonly userId: string
  readonly accessToken: string
  readonly refreshToken: string
  /** When the access token runs out. */
  readonly expiresAt: Date
}

export interface CreateSessionInput {
  readonly email: string
  readonly password: string
}

interface Attempt {
  readonly user: UserCredentials | null
  readonly matches: boolean
}

export interface CreateSessionDeps {
  readonly passwords: Passwords
  readonly guard: LoginGuard
  readonly accessTokens: AccessTokens
  /** Milliseconds that a refresh token lives, and with it a session that nobody refreshes. */
  readonly refreshTokenTtlMs: number
  readonly platformTenantId: () => string
}

/**
 * Log in with e-mail and password. An unknown address and a wrong password are told apart neither by text nor by time:
 * both compute one argon2 hash, count as one failure and write one audit event.
 */
export function createSessionCommand(deps: CreateSessionDeps): Command<CreateSessionInput, SessionTokens, Attempt> {
  return {
    name: 'create-session',
    access: () => ({ kind: 'public' }),
    validate: ({ password }) =>
      password.length > PASSWORD_CHARACTERS_MAX
        ? [{ path: ['input', 'password'], detail: `must have at most ${PASSWORD_CHARACTERS_MAX} characters` }]
        : [],
    async prepare({ email, password }, find, { origin: { ip } }) {
      const user = await findUserCredentials(find, email)
      const verify = () => deps.passwords.verify(user?.passwordHash ?? null, password)
      return { user, matches: await deps.guard.attempt({ email, ip }, verify) }
    },
    async execute({ tx, now, newId, randomBytes, origin }, _input, { user, matches }) {
      const tenantId = user?.homeTenantId ?? deps.platformTenantId()
      const userId = user && formatPublicId('User', user.id)
      if (user === null || userId === null || !matches || !(await lockCredentials(tx, user))) {
        return {
          refuse: new KeywardError('INVALID_CREDENTIALS', 'E-mail or password is wrong.'),
          audit: [
            {
              tenantId,
              action: 'session.failed',
              outcome: 'FAILURE',
              resource: { type: 'User', id: userId },
              detail: { reason: 'credentials' },
            },
          ],
          events: [describeFailure(tenantId, 'PASSWORD', userId, origin.ip)],
        }
      }

      const sessionId = newId()
      const expiresAt = new Date(now.getTime() + deps.refreshTokenTtlMs)
      const { token, hash } = generateOneTimeToken(randomBytes)
      await tx.session.create({ data: { id: sessionId, userId: user.id, createdAt: now, expiresAt } })
      await tx.refreshToken.create({ data: { hash, sessionId, createdAt: now, expiresAt } })
      const access = await deps.accessTokens.issue({ userId: user.id, sessionId })
      return {
        value: { userId: user.id, refreshToken: token, ...access },
        audit: [
          {
            tenantId,
            action: 'session.created',
            outcome: 'SUCCESS',
            resource: { type: 'Session', id: formatPublicId('Session', sessionId) },
            detail: { user: userId },
          },
        ],
        events: [],
        invalidate: [],
      }
    },
  }
}
