import type {
  Invitation as InvitationRow,
  Membership as MembershipRow,
  Tenant as TenantRow,
} from '../generated/prisma/client.ts'
import { requireTenantIdsWith, requireTenantUuid } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import { IDEMPOTENCY_KEY_DESCRIPTION } from '../graphql/idempotency-key.ts'
import { type Keyset, NEWEST_FIRST, pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { Tenant } from '../tenants/schema.ts'
import { deriveInvitationStatus } from './invitation-status.ts'
import type { NewInvitation } from './invite-member.ts'
import { removeMember } from './remove-member.ts'
import { revokeInvitation } from './revoke-invitation.ts'
import { Membership, Role } from './schema.ts'
import { setMemberRole } from './set-member-role.ts'

const InvitationStatus = builder.enumType('InvitationStatus', {
  description: 'What has become of an invitation.',
  values: {
    OPEN: { description: 'It can be accepted.' },
    ACCEPTED: { description: 'Somebody joined by it.' },
    REVOKED: { description: 'It was taken back, or replaced by a later one.' },
    EXPIRED: { description: 'Its time is over.' },
  },
})

export const Invitation = builder.prismaNode('Invitation', {
  description: 'An invitation of whoever has an e-mail address into a tenant. Its token is shown once and not kept.',
  id: { field: 'id', description: 'Identifies the invitation for good.' },
  nullable: true,
  findUnique: (id, { caller, changedIds }) => {
    if (changedIds.has(id)) return { id }
    const tenantIds = requireTenantIdsWith(caller, 'members:read')
    return tenantIds === 'all' ? { id } : { id, tenantId: { in: [...tenantIds] } }
  },
  fields: (t) => ({
    email: t.expose('email', { type: 'EmailAddress' }),
    role: t.expose('role', { type: Role }),
    status: t.field({
      type: InvitationStatus,
      description: 'What has become of it.',
      resolve: (invitation, _args, { clock }) => deriveInvitationStatus(invitation, new Date(clock.now())),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime' }),
    acceptedAt: t.expose('acceptedAt', { type: 'DateTime', nullable: true }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
    tenant: t.relation('tenant'),
  }),
})

const NEWEST_MEMBER_FIRST: Keyset<MembershipRow> = {
  column: 'createdAt',
  idColumn: 'userId',
  direction: NEWEST_FIRST.direction,
  valueOf: ({ createdAt }) => createdAt.toISOString(),
  parseValue: NEWEST_FIRST.parseValue,
}

builder.queryFields((t) => ({
  members: t.connection(
    {
      type: Membership,
      description: 'Who belongs to a tenant, newest first. Requires `members:read`.',
      authScopes: (_root, { tenantId }) => ({ tenantPermission: { permission: 'members:read', tenantId } }),
      args: { tenantId: t.arg.id({ required: true, description: 'Whose members.' }) },
      resolve: async (_root, { tenantId, ...pageArgs }, ctx, info) => {
        const page = parsePage(pageArgs)
        const { where, ...order } = pageQuery(page, NEWEST_MEMBER_FIRST)
        const ofTenant = { tenantId: requireTenantUuid(tenantId) }
        const rows: MembershipRow[] = await ctx.prisma.membership.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { AND: [ofTenant, where] },
        })
        const count = () => ctx.prisma.membership.count({ where: ofTenant })
        return { ...toConnection(rows, page, NEWEST_MEMBER_FIRST), count }
      },
    },
    { name: 'MembershipConnection', description: 'A page of members.' },
    { name: 'MembershipEdge', description: 'One member in its place in the list.' },
  ),
  invitations: t.connection(
    {
      type: Invitation,
      description:
        'Invitations into a tenant, whatever has become of them, newest first, until 90 days after their time. Requires `members:read`.',
      authScopes: (_root, { tenantId }) => ({ tenantPermission: { permission: 'members:read', tenantId } }),
      args: { tenantId: t.arg.id({ required: true, description: 'Whose invitations.' }) },
      resolve: async (_root, { tenantId, ...pageArgs }, ctx, info) => {
        const page = parsePage(pageArgs)
        const { where, ...order } = pageQuery(page, NEWEST_FIRST)
        const ofTenant = { tenantId: requireTenantUuid(tenantId) }
        const rows: InvitationRow[] = await ctx.prisma.invitation.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { AND: [ofTenant, where] },
        })
        const count = () => ctx.prisma.invitation.count({ where: ofTenant })
        return { ...toConnection(rows, page, NEWEST_FIRST), count }
      },
    },
    { name: 'InvitationConnection', description: 'A page of invitations.' },
    { name: 'InvitationEdge', description: 'One invitation in its place in the list.' },
  ),
}))

const MemberInviteInput = builder.inputType('MemberInviteInput', {
  description: 'Who is invited.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant to join.' }),
    email: t.field({
      type: 'EmailAddress',
      required: true,
      description: 'Address of the person; case does not count.',
    }),
    role: t.field({ type: Role, required: true, description: "The person's role, at most the caller's own." }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY_DESCRIPTION }),
  }),
})

const MemberInvitePayload = builder.objectRef<NewInvitation>('MemberInvitePayload').implement({
  description: 'The invitation as it was made.',
  fields: (t) => ({
    acceptToken: t.exposeString('acceptToken', {
      nullable: true,
      description:
        'For `invitationAccept`. It is shown here and never again: hand it to the person. Null only when an `idempotencyKey` was sent again more than 10 minutes after the invitation.',
    }),
    acceptUrl: t.exposeString('acceptUrl', {
      nullable: true,
      description:
        'The same as a link to the page that the operator named for it; null where none is named, and when the token is. It is as good as the token.',
    }),
    invitation: t.field({ type: Invitation, description: 'The invitation.', resolve: ({ invitation }) => invitation }),
  }),
})

const InvitationAcceptInput = builder.inputType('InvitationAcceptInput', {
  description: 'Which invitation is accepted, and by whom.',
  fields: (t) => ({
    token: t.string({ required: true, description: 'The token of the invitation.' }),
    password: t.string({
      description:
        'For a person who is new: 10 to 1024 characters that nobody would guess. For one who has an account: its password, unless logged in to it.',
    }),
    name: t.string({ description: 'Name for people, of a person who is new; at most 100 characters.' }),
  }),
})

const MemberRoleSetInput = builder.inputType('MemberRoleSetInput', {
  description: 'Who gets which role.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant.' }),
    userId: t.id({ required: true, description: 'The member.' }),
    role: t.field({ type: Role, required: true, description: "The new role, at most the caller's own." }),
  }),
})

const MemberRemoveInput = builder.inputType('MemberRemoveInput', {
  description: 'Who is removed.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant.' }),
    userId: t.id({ required: true, description: 'The member.' }),
  }),
})

function membershipPayload(name: string, description: string) {
  return builder.objectRef<MembershipRow>(name).implement({
    description,
    fields: (t) => ({
      membership: t.field({ type: Membership, description: 'The membership.', resolve: (membership) => membership }),
    }),
  })
}

const MemberRemovePayload = builder.objectRef<TenantRow>('MemberRemovePayload').implement({
  description: 'The member was removed.',
  fields: (t) => ({
    tenant: t.field({ type: Tenant, description: 'The tenant.', resolve: (tenant) => tenant }),
  }),
})

const InvitationRevokePayload = builder.objectRef<InvitationRow>('InvitationRevokePayload').implement({
  description: 'The invitation was taken back.',
  fields: (t) => ({
    invitation: t.field({ type: Invitation, description: 'The invitation.', resolve: (invitation) => invitation }),
  }),
})

builder.mutationFields((t) => ({
  memberInvite: t.field({
    type: MemberInvitePayload,
    description:
      'Invite a person into a tenant, in the place of an invitation that is open for the address. Requires `members:invite`, and a role of at least the one that is given.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: MemberInviteInput, required: true, description: 'Who is invited.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(ctx.userCommands.inviteMember, input),
  }),
  invitationAccept: t.field({
    type: membershipPayload('InvitationAcceptPayload', 'The tenant was joined.'),
    description:
      'Join a tenant by the token of an invitation. Requires the account of the invited address: a session of it, its password, or a new password when there is none yet.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'INVALID_CREDENTIALS'),
    args: { input: t.arg({ type: InvitationAcceptInput, required: true, description: 'Which invitation.' }) },
    resolve: async (_root, { input }, ctx) => {
      const membership = await ctx.execute(ctx.userCommands.acceptInvitation, input)
      ctx.provenUserIds.add(membership.userId)
      return membership
    },
  }),
  invitationRevoke: t.field({
    type: InvitationRevokePayload,
    description:
      'Take an invitation back: its token counts no more. Requires `members:invite`, and a role of at least the one that it gives.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { id: t.arg.id({ required: true, description: 'The invitation.' }) },
    resolve: (_root, { id }, ctx) => ctx.execute(revokeInvitation, { id }),
  }),
  memberRoleSet: t.field({
    type: membershipPayload('MemberRoleSetPayload', 'The member with the new role.'),
    description:
      "Give a member another role, from the member's next request on. Requires `members:update`, and a role of at least both. The only owner stays one.",
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: MemberRoleSetInput, required: true, description: 'Who gets which role.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(setMemberRole, input),
  }),
  memberRemove: t.field({
    type: MemberRemovePayload,
    description:
      "Remove a member, from the member's next request on. Requires `members:remove`, and a role of at least the member's; everybody may leave. The only owner stays.",
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: MemberRemoveInput, required: true, description: 'Who is removed.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(removeMember, input),
  }),
}))
