import { holdsPlatformPermission, visibleTenantIds } from '../actors/actor.ts'
import { Role as RoleValues } from '../generated/prisma/enums.ts'
import { requireTenantIdsWith } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import type { SessionTokens } from './create-session.ts'

/** The people that the caller has shown to be: by its session, or by the password or token of this very request. */
function ownUserIds({ caller: { actor }, provenUserIds }: GraphQLContext): string[] {
  return [...(actor.kind === 'user' ? [actor.userId] : []), ...provenUserIds]
}

/** Memberships that the caller may know of: its own, and those of tenants whose members it may see. */
function visibleMemberships(ctx: GraphQLContext) {
  const tenantIds = visibleTenantIds(ctx.caller.actor, 'members:read')
  if (tenantIds === 'all') return {}
  return { OR: [{ tenantId: { in: [...tenantIds] } }, { userId: { in: ownUserIds(ctx) } }] }
}

/** People that the caller may know of: itself, the members of tenants whose members it may see, or everybody. */
export function visibleUsers(ctx: GraphQLContext) {
  if (holdsPlatformPermission(ctx.caller.actor, 'users:read')) return {}
  return amongMembers(ctx, visibleTenantIds(ctx.caller.actor, 'members:read'))
}

function amongMembers(ctx: GraphQLContext, tenantIds: 'all' | readonly string[]) {
  if (tenantIds === 'all') return {}
  return { OR: [{ id: { in: ownUserIds(ctx) } }, { memberships: { some: { tenantId: { in: [...tenantIds] } } } }] }
}

export const Role = builder.enumType('Role', {
  description: 'What a person may do in one tenant.',
  values: {
    [RoleValues.OWNER]: { description: "Everything, the tenant's end included." },
    [RoleValues.ADMIN]: { description: 'Everything but deleting the tenant and changing owners.' },
    [RoleValues.DEVELOPER]: { description: 'Works with keys and scopes.' },
    [RoleValues.VIEWER]: { description: 'Reads.' },
  },
})

export const Membership = builder.prismaObject('Membership', {
  description: "A person's place in a tenant.",
  fields: (t) => ({
    role: t.expose('role', { type: Role }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    tenant: t.relation('tenant'),
    user: t.relation('user'),
  }),
})

/** A person belongs to few tenants; more than this many are not shown. */
const MEMBERSHIPS_MAX = 100

export const User = builder.prismaNode('User', {
  description: 'A person.',
  id: { field: 'id', description: 'Identifies the person for good.' },
  nullable: true,
  // Only what is asked for is read: a password hash never comes this far.
  select: { id: true },
  findUnique: (id, ctx) => {
    const isShown = ctx.provenUserIds.has(id) || ctx.changedIds.has(id)
    if (isShown || holdsPlatformPermission(ctx.caller.actor, 'users:read')) return { id }
    return { id, AND: amongMembers(ctx, requireTenantIdsWith(ctx.caller, 'members:read')) }
  },
  fields: (t) => ({
    email: t.expose('email', { type: 'EmailAddress' }),
    name: t.exposeString('name', { nullable: true }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    memberships: t.relation('memberships', {
      type: Membership,
      description: 'Where the person belongs, as far as the caller may know; at most 100.',
      query: (_args, ctx) => ({
        where: visibleMemberships(ctx),
        orderBy: [{ createdAt: 'asc' }, { tenantId: 'asc' }],
        take: MEMBERSHIPS_MAX,
      }),
    }),
  }),
})

const SessionTokensType = builder.interfaceRef<SessionTokens>('SessionTokens').implement({
  description: 'The tokens of a session.',
  fields: (t) => ({
    accessToken: t.exposeString('accessToken', {
      description: 'Send it as `Authorization: Bearer`; a JWT signed with EdDSA.',
    }),
    refreshToken: t.exposeString('refreshToken', {
      description:
        'Exchange it for new tokens with `sessionRefresh`; it works once, within 7 days unless the operator set another time.',
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the access token runs out.' }),
  }),
})

const userOf = (tokens: SessionTokens, query: object, ctx: GraphQLContext) =>
  ctx.prisma.user.findUniqueOrThrow({ ...query, where: { id: tokens.userId } })

const SessionCreatePayload = builder.objectRef<SessionTokens>('SessionCreatePayload').implement({
  description: 'A session that was opened.',
  interfaces: [SessionTokensType],
  fields: (t) => ({
    user: t.prismaField({
      type: User,
      description: 'Who logged in.',
      resolve: (query, tokens, _args, ctx) => userOf(tokens, query, ctx),
    }),
  }),
})

const SessionRefreshPayload = builder.objectRef<SessionTokens>('SessionRefreshPayload').implement({
  description: 'A session that goes on.',
  interfaces: [SessionTokensType],
  fields: (t) => ({
    user: t.prismaField({
      type: User,
      description: 'Whose session it is.',
      resolve: (query, tokens, _args, ctx) => userOf(tokens, query, ctx),
    }),
  }),
})

const SessionEndPayload = builder.objectRef<{ ended: boolean }>('SessionEndPayload').implement({
  description: 'A session that was ended.',
  fields: (t) => ({
    ended: t.exposeBoolean('ended', {
      description: 'Always true; a session that had ended already is answered `NOT_FOUND`.',
    }),
  }),
})

const SessionCreateInput = builder.inputType('SessionCreateInput', {
  description: 'Who logs in.',
  fields: (t) => ({
    email: t.field({
      type: 'EmailAddress',
      required: true,
      description: 'Address of the account; case does not count.',
    }),
    password: t.string({ required: true, description: 'The password, at most 1024 characters.' }),
  }),
})

const SessionRefreshInput = builder.inputType('SessionRefreshInput', {
  description: 'Which session goes on.',
  fields: (t) => ({
    refreshToken: t.string({ required: true, description: 'The last refresh token of the session.' }),
  }),
})

function proven(ctx: GraphQLContext, tokens: SessionTokens): SessionTokens {
  ctx.provenUserIds.add(tokens.userId)
  return tokens
}

builder.mutationFields((t) => ({
  sessionCreate: t.field({
    type: SessionCreatePayload,
    description:
      'Log in with e-mail and password. After a few failures an account is locked for the address that they came from, for a while.',
    errors: commandErrors('INVALID_CREDENTIALS', 'VALIDATION_FAILED'),
    args: { input: t.arg({ type: SessionCreateInput, required: true, description: 'Who logs in.' }) },
    resolve: async (_root, { input }, ctx) => proven(ctx, await ctx.execute(ctx.userCommands.createSession, input)),
  }),
  sessionRefresh: t.field({
    type: SessionRefreshPayload,
    description: 'Exchange a refresh token for new tokens. Sent twice, it ends the session.',
    errors: commandErrors('INVALID_CREDENTIALS'),
    args: { input: t.arg({ type: SessionRefreshInput, required: true, description: 'Which session goes on.' }) },
    resolve: async (_root, { input }, ctx) => proven(ctx, await ctx.execute(ctx.userCommands.refreshSession, input)),
  }),
  sessionEnd: t.field({
    type: SessionEndPayload,
    description: 'Log out: no token of the session counts from now on. Requires a session.',
    errors: commandErrors('NOT_FOUND'),
    resolve: (_root, _args, ctx) => ctx.execute(ctx.userCommands.endSession, {}),
  }),
}))
