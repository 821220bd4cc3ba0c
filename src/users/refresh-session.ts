import type { Command } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { SessionTokens } from './create-session.ts'
import { describeFailure } from './failed-authentication.ts'
import type { LoginGuard } from './login-guard.ts'
import { generateOneTimeToken, hashOneTimeToken } from './one-time-token.ts'
import { OLDEST_FIRST } from './user-store.ts'

const refused = () => new KeywardError('INVALID_CREDENTIALS', 'The refresh token does not count; log in again.')

const SESSION = {
  id: true,
  userId: true,
  endedAt: true,
  user: { select: { memberships: { select: { tenantId: true }, orderBy: [...OLDEST_FIRST], take: 1 } } },
} as const satisfies Prisma.SessionSelect

/**
 * Exchange a refresh token for a new pair. Each refresh token works once. One that comes a second time was copied, and
 * nobody can tell who has the copy: the whole session ends (RFC 9700 §4.14.2). Tokens that are nobody's are counted
 * (`LoginGuard`), and the first of them from an address is recorded.
 */
export function refreshSessionCommand(deps: {
  guard: LoginGuard
  accessTokens: AccessTokens
  refreshTokenTtlMs: number
  platformTenantId: () => string
}): Command<{ refreshToken: string }, SessionTokens> {
  return {
    name: 'refresh-session',
    access: () => ({ kind: 'public' }),
    validate: () => [],
    async prepare({ refreshToken }, find, { origin: { ip } }) {
      const hash = hashOneTimeToken(refreshToken)
      const known = await find.refreshToken.findUnique({ where: { hash }, select: { sessionId: true } })
      if (known === null && !(await deps.guard.countUnknownToken(ip)).isFirst) throw refused()
      return undefined
    },
    async execute({ tx, now, randomBytes, origin }, input) {
      const hash = hashOneTimeToken(input.refreshToken)
      // Marking it used is what decides between two that come at once: the second waits for the first, then finds it used.
      const { count } = await tx.refreshToken.updateMany({
        where: { hash, usedAt: null, expiresAt: { gt: now }, session: { endedAt: null } },
        data: { usedAt: now },
      })
      const token = await tx.refreshToken.findUnique({
        where: { hash },
        select: { usedAt: true, session: { select: SESSION } },
      })
      const tenantId = token?.session.user.memberships[0]?.tenantId ?? deps.platformTenantId()
      const resource = { type: 'Session', id: token && formatPublicId('Session', token.session.id) } as const

      if (count === 0 || token === null) {
        const reused = token?.usedAt != null && token.session.endedAt === null
        if (reused) await tx.session.update({ where: { id: token.session.id }, data: { endedAt: now } })
        return {
          refuse: refused(),
          audit: [
            {
              tenantId,
              action: reused ? 'session.reused' : 'session.failed',
              outcome: 'FAILURE',
              resource,
              detail: { reason: reused ? 'refresh token used twice' : 'refresh token unknown, expired or ended' },
            },
          ],
          events: [
            describeFailure(
              tenantId,
              'REFRESH_TOKEN',
              token && formatPublicId('User', token.session.userId),
              origin.ip,
            ),
          ],
        }
      }

      const { id: sessionId, userId } = token.session
      const expiresAt = new Date(now.getTime() + deps.refreshTokenTtlMs)
      const next = generateOneTimeToken(randomBytes)
      await tx.refreshToken.create({ data: { hash: next.hash, sessionId, createdAt: now, expiresAt } })
      await tx.session.update({ where: { id: sessionId }, data: { expiresAt } })
      const access = await deps.accessTokens.issue({ userId, sessionId })
      return {
        value: { userId, refreshToken: next.token, ...access },
        audit: [{ tenantId, action: 'session.refreshed', outcome: 'SUCCESS', resource, detail: {} }],
        events: [],
        invalidate: [],
      }
    },
  }
}
