import { type Command, defineCommand } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { User } from '../generated/prisma/client.ts'
import { lockAccount, requirePowerOver } from './account-store.ts'
import { toIssuer } from './issuer.ts'
import { generateOneTimeToken } from './one-time-token.ts'
import { formatTokenLink } from './token-link.ts'

export interface NewPasswordReset {
  readonly user: User
  /** It exists here and with the caller, and nowhere else. */
  readonly resetToken: string
  /** Null where the operator has named no page to use it on. */
  readonly resetUrl: string | null
  readonly expiresAt: Date
}

/**
 * Make a token by which a person can choose a new password without the old one. Nothing is sent: the caller hands it to whom
 * the account belongs. Another one that was made before counts no more. Who could do less than the person cannot make one,
 * since whoever has the token becomes that person.
 */
export function createPasswordResetCommand(deps: {
  readonly passwordResetTtlMs: number
  /** See `formatTokenLink`. */
  readonly passwordResetUrl: string | undefined
}): Command<{ readonly id: string }, NewPasswordReset> {
  return defineCommand({
    name: 'create-password-reset',
    access: () => ({ kind: 'platform', permission: 'users:write' }),
    validate: () => [],
    async execute({ tx, now, actor, randomBytes, platformTenantId: tenantId }, { id: publicId }) {
      const { user, roles } = await lockAccount(tx, publicId)
      requirePowerOver(actor, roles)
      // A session that was left open would otherwise be good for keeping the account.
      if (actor.kind === 'user' && actor.userId === user.id) {
        throw new KeywardError('CONFLICT', 'This is your own account: change its password with `passwordChange`.')
      }
      const { token, hash } = generateOneTimeToken(randomBytes)
      const expiresAt = new Date(now.getTime() + deps.passwordResetTtlMs)
      const issuer = toIssuer(actor)
      const reset = {
        tokenHash: hash,
        createdAt: now,
        expiresAt,
        createdByUserId: issuer.userId,
        createdByKeyId: issuer.keyId,
      }
      const replaced = await tx.passwordReset.deleteMany({ where: { userId: user.id } })
      await tx.passwordReset.create({ data: { userId: user.id, ...reset } })
      return {
        value: { user, resetToken: token, resetUrl: formatTokenLink(deps.passwordResetUrl, token), expiresAt },
        audit: [
          {
            tenantId,
            action: 'user.password_reset_created',
            outcome: 'SUCCESS',
            resource: { type: 'User', id: publicId },
            detail: { expiresAt: expiresAt.toISOString(), replaced: replaced.count > 0 },
          },
        ],
        events: [
          {
            type: 'user.password_reset_created',
            tenantId,
            data: { userId: publicId, expiresAt: expiresAt.toISOString() },
          },
        ],
        invalidate: [],
      }
    },
  })
}
