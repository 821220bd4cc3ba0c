import { type Command, defineTenantCommand } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Invitation } from '../generated/prisma/client.ts'
import type { Role } from '../generated/prisma/enums.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId, lockTenant } from '../tenants/tenant-store.ts'
import { findEmailFault, normalizeEmail, toIssues } from './account-rules.ts'
import { requireGrantableRole } from './grantable-role.ts'
import { describeInviter } from './inviter.ts'
import { generateOneTimeToken } from './one-time-token.ts'
import { formatTokenLink } from './token-link.ts'

export interface InviteMemberInput {
  readonly tenantId: string
  readonly email: string
  readonly role: Role
  readonly idempotencyKey?: string | null | undefined
}

export interface NewInvitation {
  readonly invitation: Invitation
  /** Which the caller alone keeps; null when a request came again after the time to show it was over. */
  readonly acceptToken: string | null
  /** Null with the token, and where the operator has named no page to accept it on. */
  readonly acceptUrl: string | null
}

export interface InviteMemberDeps {
  readonly invitationTtlMs: number
  /** See `formatTokenLink`. */
  readonly invitationUrl: string | undefined
}

/** More would be a list of strangers, not of people who are about to join. */
const OPEN_INVITATIONS_MAX = 1_000

/**
 * Invite whoever has an e-mail address. Nothing is sent: the caller hands the token on. An invitation that is open for the
 * address is replaced, so that the last word on the role counts and a token that went astray can be made worthless. It counts
 * for as long as who invited may give that role.
 */
export function inviteMemberCommand(deps: InviteMemberDeps): Command<InviteMemberInput, NewInvitation> {
  const show = (invitation: Invitation, acceptToken: string | null): NewInvitation => ({
    invitation,
    acceptToken,
    acceptUrl: acceptToken && formatTokenLink(deps.invitationUrl, acceptToken),
  })
  return defineTenantCommand({
    name: 'invite-member',
    permission: 'members:invite',
    tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
    validate: ({ email }) => toIssues('email', findEmailFault(email)),
    idempotency: {
      typename: 'Invitation',
      keyOf: ({ idempotencyKey }) => idempotencyKey,
      remember: ({ invitation, acceptToken }) => ({ id: invitation.id, secrets: { acceptToken } }),
      async recall(tx, { id, secrets }) {
        const invitation = await tx.invitation.findUnique({ where: { id } })
        return invitation && show(invitation, secrets?.acceptToken ?? null)
      },
    },
    async execute({ tx, now, actor, tenantId, newId, randomBytes }, { role, ...input }) {
      requireGrantableRole(actor, role, await lockTenant(tx, tenantId))
      const email = normalizeEmail(input.email)
      if ((await tx.membership.count({ where: { tenantId, user: { email } } })) > 0) {
        throw new KeywardError('CONFLICT', 'Who has this address belongs to the tenant already.', {
          issues: [{ path: ['input', 'email'], detail: 'is that of a member' }],
        })
      }
      const { count: replaced } = await tx.invitation.updateMany({
        where: { tenantId, email, acceptedAt: null, revokedAt: null },
        data: { revokedAt: now },
      })
      const open = await tx.invitation.count({
        where: { tenantId, acceptedAt: null, revokedAt: null, expiresAt: { gt: now } },
      })
      if (open >= OPEN_INVITATIONS_MAX) {
        throw new KeywardError('CONFLICT', `${OPEN_INVITATIONS_MAX} invitations are open: take some back first.`)
      }
      const { token, hash } = generateOneTimeToken(randomBytes)
      const expiresAt = new Date(now.getTime() + deps.invitationTtlMs)
      const invitation = await tx.invitation.create({
        data: {
          id: newId(),
          tenantId,
          email,
          role,
          tokenHash: hash,
          createdAt: now,
          expiresAt,
          ...describeInviter(actor),
        },
      })
      return {
        value: show(invitation, token),
        audit: [
          {
            tenantId,
            action: 'member.invited',
            outcome: 'SUCCESS',
            resource: { type: 'Invitation', id: formatPublicId('Invitation', invitation.id) },
            detail: { after: { email, role, expiresAt: expiresAt.toISOString() }, replaced: replaced > 0 },
          },
        ],
        events: [],
        invalidate: [],
      }
    },
  })
}
