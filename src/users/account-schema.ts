import type { User as UserRow } from '../generated/prisma/client.ts'
import { builder } from '../graphql/builder.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { User } from './schema.ts'

const UserRegisterInput = builder.inputType('UserRegisterInput', {
  description: 'A new account.',
  fields: (t) => ({
    email: t.field({ type: 'EmailAddress', required: true, description: 'The login name; case does not count.' }),
    password: t.string({
      required: true,
      description:
        '10 to 1024 characters that nobody would guess: four unrelated words are better than odd characters.',
    }),
    name: t.string({ description: 'Name for people, at most 100 characters.' }),
  }),
})

const UserRegisterPayload = builder.objectRef<UserRow>('UserRegisterPayload').implement({
  description: 'The account as it was made.',
  fields: (t) => ({
    user: t.field({ type: User, description: 'The new person.', resolve: (user) => User.addBrand(user) }),
  }),
})

const PasswordChangeInput = builder.inputType('PasswordChangeInput', {
  description: 'Another password.',
  fields: (t) => ({
    currentPassword: t.string({ required: true, description: 'The password so far, at most 1024 characters.' }),
    newPassword: t.string({
      required: true,
      description:
        '10 to 1024 characters that nobody would guess: four unrelated words are better than odd characters.',
    }),
  }),
})

const PasswordResetInput = builder.inputType('PasswordResetInput', {
  description: 'A new password in the place of one that is lost.',
  fields: (t) => ({
    token: t.string({ required: true, description: 'The token that an operator made.' }),
    newPassword: t.string({
      required: true,
      description:
        '10 to 1024 characters that nobody would guess: four unrelated words are better than odd characters.',
    }),
  }),
})

function passwordPayload(name: string, description: string) {
  return builder.objectRef<{ userId: string }>(name).implement({
    description,
    fields: (t) => ({
      user: t.prismaField({
        type: User,
        description: 'Whose it is.',
        resolve: (query, { userId }, _args, ctx) =>
          ctx.prisma.user.findUniqueOrThrow({ ...query, where: { id: userId } }),
      }),
    }),
  })
}

builder.mutationFields((t) => ({
  userRegister: t.field({
    type: UserRegisterPayload,
    description:
      'Sign up, where the operator lets everybody. The account belongs to no tenant; create one, or accept an invitation.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT'),
    args: { input: t.arg({ type: UserRegisterInput, required: true, description: 'The new account.' }) },
    resolve: async (_root, { input }, ctx) => {
      const user = await ctx.execute(ctx.userCommands.register, input)
      ctx.provenUserIds.add(user.id)
      return user
    },
  }),
  passwordChange: t.field({
    type: passwordPayload('PasswordChangePayload', 'The password was changed.'),
    description:
      'Change your password. Every session of yours ends at once, this one too: log in again. Requires a session.',
    errors: commandErrors('VALIDATION_FAILED', 'INVALID_CREDENTIALS'),
    args: { input: t.arg({ type: PasswordChangeInput, required: true, description: 'Both passwords.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(ctx.userCommands.changePassword, input),
  }),
  passwordReset: t.field({
    type: passwordPayload('PasswordResetPayload', 'The new password counts.'),
    description:
      'Choose a new password by the token of `userPasswordResetCreate`, which works once. Every session of the person ends; log in with the new password.',
    errors: commandErrors('VALIDATION_FAILED', 'INVALID_CREDENTIALS'),
    args: { input: t.arg({ type: PasswordResetInput, required: true, description: 'Token and new password.' }) },
    resolve: async (_root, { input }, ctx) => {
      const reset = await ctx.execute(ctx.userCommands.resetPassword, input)
      ctx.provenUserIds.add(reset.userId)
      return reset
    },
  }),
}))
