import type { Caller } from '../actors/caller.ts'
import type { Command, Refusal, Work } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { Membership, PrismaClient } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { findNameFault, toIssues } from './account-rules.ts'
import { describeFailure } from './failed-authentication.ts'
import { deriveInvitationStatus } from './invitation-status.ts'
import { findInvitationByToken, type InvitationOfTenant } from './invitation-store.ts'
import { inviterStillMay } from './inviter.ts'
import type { LoginGuard } from './login-guard.ts'
import { findPasswordLengthFault, PASSWORD_CHARACTERS_MAX } from './password-rules.ts'
import type { Passwords } from './passwords.ts'
import { findUserCredentials, insertUser, lockCredentials, type UserCredentials } from './user-store.ts'

export interface AcceptInvitationInput {
  readonly token: string
  /** Of the account that there is for the address, unless its owner is logged in; or for a new one. */
  readonly password?: string | null | undefined
  /** Of a person who is new. */
  readonly name?: string | null | undefined
}

export interface AcceptInvitationDeps {
  readonly passwords: Passwords
  readonly guard: LoginGuard
  readonly platformTenantId: () => string
}

/** Who joins: a person who is new, or one who has shown to own the account. */
type Joining =
  | { readonly kind: 'new'; readonly passwordHash: string }
  | { readonly kind: 'owner'; readonly user: UserCredentials }

interface Prepared {
  readonly invitation: InvitationOfTenant | null
  /** Null when there is no invitation, or when the password is not that of the account. */
  readonly joining: Joining | null
}

/**
 * Join a tenant by the token of an invitation. It takes the token *and* the account of the invited address: a session of it,
 * its password, or, when there is none yet, a new password. The token alone would let whoever invited take an account
 * over; the account alone would let whoever signed up with somebody else's address in.
 *
 * A token works once. Tokens that are nobody's are counted (`LoginGuard`), and the first of them from an address is recorded.
 * That there is an account for the address is told to who has the token, and to nobody else.
 */
export function acceptInvitationCommand(
  deps: AcceptInvitationDeps,
): Command<AcceptInvitationInput, Membership, Prepared> {
  async function findJoining(
    invitation: InvitationOfTenant,
    { password, name }: AcceptInvitationInput,
    find: PrismaClient,
    { actor, origin: { ip } }: Caller,
  ): Promise<Joining | null> {
    const { email } = invitation
    const user = await findUserCredentials(find, email)
    if (user !== null && actor.kind === 'user' && actor.userId === user.id) return { kind: 'owner', user }
    if (password == null) {
      const detail =
        user === null
          ? 'is needed: there is no account for the invited address yet'
          : 'is needed, or a session of the account that the invited address has'
      throw validationFailed([{ path: ['input', 'password'], detail }])
    }
    if (user !== null) {
      const verify = () => deps.passwords.verify(user.passwordHash, password)
      return (await deps.guard.attempt({ email, ip }, verify)) ? { kind: 'owner', user } : null
    }
    const fault = findPasswordLengthFault(password)
    if (fault !== null) throw validationFailed([{ path: ['input', 'password'], detail: fault }])
    const about = [email, name ?? '', invitation.tenant.name]
    await deps.passwords.requireStrong({ password, about }, ['input', 'password'])
    return { kind: 'new', passwordHash: await deps.passwords.hash(password) }
  }

  function refuse({ origin }: Work, tenantId: string, invitationId: string | null, error: KeywardError): Refusal {
    return {
      refuse: error,
      audit: [
        {
          tenantId,
          action: 'invitation.rejected',
          outcome: 'FAILURE',
          resource: { type: 'Invitation', id: invitationId },
          detail: { reason: error.detail },
        },
      ],
      events: [describeFailure(tenantId, 'INVITATION', null, origin.ip)],
    }
  }

  return {
    name: 'accept-invitation',
    access: () => ({ kind: 'public' }),
    validate: ({ password, name }) => [
      // Of an account that there is, a password may be what was good enough when it was chosen.
      ...toIssues(
        'password',
        password != null && password.length > PASSWORD_CHARACTERS_MAX ? findPasswordLengthFault(password) : null,
      ),
      ...toIssues('name', findNameFault(name)),
    ],
    async prepare(input, find, caller) {
      const invitation = await findInvitationByToken(find, input.token)
      if (invitation === null && !(await deps.guard.countUnknownToken(caller.origin.ip)).isFirst) throw worthless()
      // Whether it has run out is asked again below, by the update that uses it up.
      const isOpen = invitation !== null && invitation.acceptedAt === null && invitation.revokedAt === null
      return { invitation, joining: isOpen ? await findJoining(invitation, input, find, caller) : null }
    },
    async execute(work, { name }, { invitation, joining }) {
      const { tx, now, newId } = work
      if (invitation === null) return refuse(work, deps.platformTenantId(), null, worthless())
      const { tenantId, role, email } = invitation
      const publicId = formatPublicId('Invitation', invitation.id)
      if (deriveInvitationStatus(invitation, now) !== 'OPEN' || !(await inviterStillMay(tx, invitation, now))) {
        return refuse(work, tenantId, publicId, worthless())
      }
      if (joining === null || (joining.kind === 'owner' && !(await lockCredentials(tx, joining.user)))) {
        return refuse(work, tenantId, publicId, wrongPassword())
      }

      // Using it up is what decides between two who come at once: the second waits for the first, then finds it used.
      const { count } = await tx.invitation.updateMany({
        where: { id: invitation.id, acceptedAt: null, revokedAt: null, expiresAt: { gt: now } },
        data: { acceptedAt: now },
      })
      if (count === 0) return refuse(work, tenantId, publicId, worthless())
      const userId =
        joining.kind === 'owner'
          ? joining.user.id
          : await insertUser(tx, {
              id: newId(),
              email,
              name: name ?? null,
              passwordHash: joining.passwordHash,
              now,
            })
              .then(({ id }) => id)
              .catch(madeMeanwhile)
      const membership = await tx.membership
        .create({ data: { tenantId, userId, role, createdAt: now } })
        .catch(joinedMeanwhile)
      return {
        value: membership,
        audit: [
          {
            tenantId,
            action: 'member.joined',
            outcome: 'SUCCESS',
            resource: { type: 'User', id: formatPublicId('User', userId) },
            detail: { invitation: publicId, email, role, isNew: joining.kind === 'new' },
          },
        ],
        events: [],
        invalidate: [],
      }
    },
  }
}

function worthless(): KeywardError {
  return new KeywardError('INVALID_CREDENTIALS', 'The invitation does not count, or not any more; ask for another.')
}

function wrongPassword(): KeywardError {
  return new KeywardError('INVALID_CREDENTIALS', 'The password is not that of the account of the invited address.')
}

function madeMeanwhile(error: unknown): never {
  if (!isUniqueViolation(error)) throw error
  throw new KeywardError('CONFLICT', 'An account for the invited address was made meanwhile: accept with its password.')
}

function joinedMeanwhile(error: unknown): never {
  if (!isUniqueViolation(error)) throw error
  throw new KeywardError('CONFLICT', 'The person belongs to the tenant already.')
}
