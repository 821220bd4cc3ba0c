import type { Command } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { formatPublicId } from '../public-id.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { Passwords } from './passwords.ts'
import { generateRefreshToken, REFRESH_TOKEN_TTL_MS } from './refresh-token.ts'
import { findUserCredentials, type UserCredentials } from './user-store.ts'

/** Longer passwords are refused before they are hashed. */
export const PASSWORD_CHARACTERS_MAX = 1024

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
  readonly accessTokens: AccessTokens
  readonly platformTenantId: () => string
}

/**
 * Log in with e-mail and password. An unknown address and a wrong password are told apart neither by text nor by time:
 * both compute one argon2 hash and write one audit event.
 */
export function createSessionCommand(deps: CreateSessionDeps): Command<CreateSessionInput, SessionTokens, Attempt> {
  return {
    name: 'create-session',
    access: () => ({ kind: 'public' }),
    validate: ({ password }) =>
      password.length > PASSWORD_CHARACTERS_MAX
        ? [{ path: ['input', 'password'], detail: `must have at most ${PASSWORD_CHARACTERS_MAX} characters` }]
        : [],
    async prepare({ email, password }, find) {
      const user = await findUserCredentials(find, email)
      return { user, matches: await deps.passwords.verify(user?.passwordHash ?? null, password) }
    },
    async execute({ tx, now, newId, randomBytes }, _input, { user, matches }) {
      const tenantId = user?.homeTenantId ?? deps.platformTenantId()
      if (user === null || !matches) {
        return {
          refuse: new KeywardError('INVALID_CREDENTIALS', 'E-mail or password is wrong.'),
          audit: [
            {
              tenantId,
              action: 'session.failed',
              outcome: 'FAILURE',
              resource: { type: 'User', id: user === null ? null : formatPublicId('User', user.id) },
              detail: { reason: 'credentials' },
            },
          ],
        }
      }

      const sessionId = newId()
      const expiresAt = new Date(now.getTime() + REFRESH_TOKEN_TTL_MS)
      const { refreshToken, hash } = generateRefreshToken(randomBytes)
      await tx.session.create({ data: { id: sessionId, userId: user.id, createdAt: now, expiresAt } })
      await tx.refreshToken.create({ data: { hash, sessionId, createdAt: now, expiresAt } })
      const access = await deps.accessTokens.issue({ userId: user.id, sessionId })
      return {
        value: { userId: user.id, refreshToken, ...access },
        audit: [
          {
            tenantId,
            action: 'session.created',
            outcome: 'SUCCESS',
            resource: { type: 'Session', id: formatPublicId('Session', sessionId) },
            detail: { user: formatPublicId('User', user.id) },
          },
        ],
        events: [],
        invalidate: [],
      }
    },
  }
}
