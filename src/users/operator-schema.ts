import { validationFailed } from '../errors/keyward-error.ts'
import type { Prisma, User as UserRow } from '../generated/prisma/client.ts'
import { builder } from '../graphql/builder.ts'
import { NEWEST_FIRST, pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { escapeLikePattern } from '../lib/like-pattern.ts'
import { findEmailFault, normalizeEmail } from './account-rules.ts'
import type { NewPasswordReset } from './create-password-reset.ts'
import { deleteUser } from './delete-user.ts'
import { type EndedUserSessions, endUserSessions } from './end-user-sessions.ts'
import { User } from './schema.ts'

/** What those who run the installation do about accounts. */
builder.queryField('users', (t) =>
  t.connection(
    {
      type: User,
      description: 'Everybody who has an account, newest first. Requires `users:read`, in the platform tenant.',
      authScopes: { platformPermission: 'users:read' },
      args: {
        search: t.arg.string({
          description: 'Only those in whose e-mail address this stands, at most 254 characters; case does not count.',
        }),
      },
      resolve: async (_root, args, ctx, info) => {
        const page = parsePage(args)
        const wanted = toCondition(args.search)
        const { where, ...order } = pageQuery(page, NEWEST_FIRST)
        const rows: UserRow[] = await ctx.prisma.user.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { AND: [wanted, where] },
        })
        return { ...toConnection(rows, page, NEWEST_FIRST), count: () => ctx.prisma.user.count({ where: wanted }) }
      },
    },
    { name: 'UserConnection', description: 'A page of people.' },
    { name: 'UserEdge', description: 'One person in its place in the list.' },
  ),
)

/** Addresses are stored in lower case. */
function toCondition(search: string | null | undefined): Prisma.UserWhereInput {
  const text = normalizeEmail(search ?? '')
  if (text === '') return {}
  const detail = findEmailFault(text)
  if (detail !== null) throw validationFailed([{ path: ['search'], detail }])
  return { email: { contains: escapeLikePattern(text) } }
}

const UserSessionsEndPayload = builder.objectRef<EndedUserSessions>('UserSessionsEndPayload').implement({
  description: 'The sessions were ended.',
  fields: (t) => ({
    endedCount: t.exposeInt('endedCount', { description: 'Sessions that there were.' }),
    user: t.field({ type: User, description: 'Whose they were.', resolve: ({ user }) => User.addBrand(user) }),
  }),
})

const UserPasswordResetCreatePayload = builder.objectRef<NewPasswordReset>('UserPasswordResetCreatePayload').implement({
  description: 'A way to choose a new password.',
  fields: (t) => ({
    resetToken: t.exposeString('resetToken', {
      description: 'For `passwordReset`. It is shown here and never again: hand it to the person, and to nobody else.',
    }),
    resetUrl: t.exposeString('resetUrl', {
      nullable: true,
      description:
        'The same as a link to the page that the operator named for it; null where none is named. It is as good as the token.',
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the token runs out.' }),
    user: t.field({ type: User, description: 'Whose account it is.', resolve: ({ user }) => User.addBrand(user) }),
  }),
})

const UserDeletePayload = builder.objectRef<string>('UserDeletePayload').implement({
  description: 'The account was deleted.',
  fields: (t) => ({ deletedId: t.id({ description: 'The id that it had.', resolve: (id) => id }) }),
})

builder.mutationFields((t) => ({
  userSessionsEnd: t.field({
    type: UserSessionsEndPayload,
    description: 'End every session of a person at once. Requires `users:write`, in the platform tenant.',
    errors: commandErrors('NOT_FOUND'),
    args: { id: t.arg.id({ required: true, description: 'The person.' }) },
    resolve: (_root, { id }, ctx) => ctx.execute(endUserSessions, { id }),
  }),
  userPasswordResetCreate: t.field({
    type: UserPasswordResetCreatePayload,
    description:
      'Make a token by which a person can choose a new password without the old one, once, within an hour unless the operator set another time; one that was made before counts no more. Requires `users:write`, in the platform tenant, and every role that the person has. Your own password is changed by `passwordChange`.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { id: t.arg.id({ required: true, description: 'The person.' }) },
    resolve: (_root, { id }, ctx) => ctx.execute(ctx.userCommands.createPasswordReset, { id }),
  }),
  userDelete: t.field({
    type: UserDeletePayload,
    description:
      'Delete an account for good. Keys that the person created stay, and so does the log. Requires `users:delete`, in the platform tenant, and every role that the person has. The only owner of a tenant and the last admin of the installation stay.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The person.' }),
      confirmEmail: t.arg.string({
        required: true,
        description: 'The e-mail address of the account, at most 254 characters, to confirm; case does not count.',
      }),
    },
    resolve: (_root, args, ctx) => ctx.execute(deleteUser, args),
  }),
}))
