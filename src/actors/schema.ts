import { builder } from '../graphql/builder.ts'
import { planRow } from '../graphql/row-plan.ts'
import { ApiKey, visibleKeys } from '../keys/key-type.ts'
import { Invitation } from '../users/member-schema.ts'
import { Role, User, visibleUsers } from '../users/schema.ts'
import { PERMISSION_NAMES, PERMISSIONS, type Permission, permissionScope } from './permissions.ts'

const Actor = builder.unionType('Actor', {
  description: 'Who does things: a person, or a machine with a management key.',
  types: [User, ApiKey],
})

builder.queryField('viewer', (t) =>
  t.field({
    type: Actor,
    nullable: true,
    description: 'Who is asking; null for a caller who has not said.',
    resolve: async (_root, _args, ctx, info) => {
      const { actor } = ctx.caller
      if (actor.kind === 'user') {
        const where = { id: actor.userId }
        return User.addBrand(await ctx.prisma.user.findUniqueOrThrow({ ...planRow(ctx, info, 'User'), where }))
      }
      if (actor.kind === 'apiKey') {
        const where = { id: actor.apiKeyId }
        return ApiKey.addBrand(await ctx.prisma.apiKey.findUniqueOrThrow({ ...planRow(ctx, info, 'ApiKey'), where }))
      }
      return null
    },
  }),
)

builder.prismaObjectFields(ApiKey, (t) => ({
  createdBy: t.field({
    type: Actor,
    nullable: true,
    description: 'Who created the key; null for Keyward itself, and for whom the caller may not know of.',
    select: (_args, ctx, nestedSelection) => ({
      createdByUser: nestedSelection({ where: visibleUsers(ctx) }, [], 'User'),
      createdByKey: nestedSelection({ where: visibleKeys(ctx.caller.actor) }, [], 'ApiKey'),
    }),
    resolve: ({ createdByUser, createdByKey }) => toActor(createdByUser, createdByKey),
  }),
  disabledBy: t.field({
    type: Actor,
    nullable: true,
    description:
      'Who disabled the key, if it is disabled; null for Keyward itself, and for whom the caller may not know of.',
    select: (_args, ctx, nestedSelection) => ({
      disabledByUser: nestedSelection({ where: visibleUsers(ctx) }, [], 'User'),
      disabledByKey: nestedSelection({ where: visibleKeys(ctx.caller.actor) }, [], 'ApiKey'),
    }),
    resolve: ({ disabledByUser, disabledByKey }) => toActor(disabledByUser, disabledByKey),
  }),
  revokedBy: t.field({
    type: Actor,
    nullable: true,
    description:
      'Who revoked the key, if it is revoked; null for Keyward itself, and for whom the caller may not know of.',
    select: (_args, ctx, nestedSelection) => ({
      revokedByUser: nestedSelection({ where: visibleUsers(ctx) }, [], 'User'),
      revokedByKey: nestedSelection({ where: visibleKeys(ctx.caller.actor) }, [], 'ApiKey'),
    }),
    resolve: ({ revokedByUser, revokedByKey }) => toActor(revokedByUser, revokedByKey),
  }),
}))

builder.prismaObjectFields(Invitation, (t) => ({
  invitedBy: t.loadable({
    type: Actor,
    nullable: true,
    description: 'Who invited; null for who is gone, and for whom the caller may not know of.',
    loaderOptions: { cache: false },
    load: async (ids: InviterIds[], ctx) => {
      const [userIds, keyIds] = [ids.flatMap(({ userId }) => userId ?? []), ids.flatMap(({ keyId }) => keyId ?? [])]
      const [users, keys] = [
        userIds.length === 0
          ? []
          : await ctx.prisma.user.findMany({ where: { id: { in: userIds }, AND: visibleUsers(ctx) } }),
        keyIds.length === 0
          ? []
          : await ctx.prisma.apiKey.findMany({ where: { id: { in: keyIds }, AND: visibleKeys(ctx.caller.actor) } }),
      ]
      const people = new Map(users.map((user) => [user.id, user]))
      const machines = new Map(keys.map((key) => [key.id, key]))
      return ids.map(({ userId, keyId }) =>
        toActor(people.get(userId ?? '') ?? null, machines.get(keyId ?? '') ?? null),
      )
    },
    resolve: ({ invitedByUserId: userId, invitedByKeyId: keyId }) => ({ userId, keyId }),
  }),
}))

interface InviterIds {
  readonly userId: string | null
  readonly keyId: string | null
}

function toActor(user: typeof User.$inferType | null, key: typeof ApiKey.$inferType | null) {
  return user === null ? key && ApiKey.addBrand(key) : User.addBrand(user)
}

const PermissionType = builder.objectRef<Permission>('Permission').implement({
  description: 'Something that a person or a machine may be allowed to do.',
  fields: (t) => ({
    name: t.string({ description: 'What descriptions of fields call it.', resolve: (name) => name }),
    description: t.string({ description: 'What it allows.', resolve: (name) => PERMISSIONS[name].description }),
    scope: t.string({ description: 'The scope by which a key holds it.', resolve: permissionScope }),
    roles: t.field({
      type: [Role],
      description:
        'The roles that hold it in their tenant, at most 4. Owners and admins of the platform tenant hold every one.',
      resolve: (name) => [...PERMISSIONS[name].roles],
    }),
  }),
})

builder.queryField('permissions', (t) =>
  t.field({
    type: [PermissionType],
    description: 'Every permission that there is, at most 100. Requires a session or a management key.',
    authScopes: { authenticated: true },
    resolve: () => [...PERMISSION_NAMES],
  }),
)
