import type { Scope as ScopeRow } from '../generated/prisma/client.ts'
import { requirePermissionIn, requireTenantIdsWith, requireTenantUuid } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import { IDEMPOTENCY_KEY_DESCRIPTION } from '../graphql/idempotency-key.ts'
import { type Keyset, pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { countHolders } from './count-holders.ts'
import { createScope } from './create-scope.ts'
import { type DeletedScope, deleteScope } from './delete-scope.ts'
import { scopeFilterWhere } from './scope-filter.ts'
import { isScopeName } from './scope-name.ts'
import { updateScope } from './update-scope.ts'

export const Scope = builder.prismaNode('Scope', {
  description: 'A permission that a key can hold, in the namespace of its tenant.',
  id: { field: 'id', description: 'Identifies the scope for good.' },
  nullable: true,
  findUnique: (id, { caller, changedIds }) => {
    if (changedIds.has(id)) return { id }
    const tenantIds = requireTenantIdsWith(caller, 'scopes:read')
    return tenantIds === 'all' ? { id } : { id, tenantId: { in: [...tenantIds] } }
  },
  fields: (t) => ({
    version: t.exposeInt('version'),
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    category: t.exposeString('category', { nullable: true }),
    active: t.exposeBoolean('active'),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
    tenant: t.relation('tenant'),
    keyCount: t.loadable({
      type: 'Int',
      nullable: true,
      description:
        'Keys that are not revoked and hold the scope, by its name or by a wildcard over it. Requires `keys:read`; null without.',
      // Whoever changes something and asks again in one request must not be told what was before.
      loaderOptions: { cache: false },
      load: (scopes: ScopeRow[], { prisma }) => countHolders(prisma, scopes),
      authScopes: ({ tenantId }, _args, { caller }) => requirePermissionIn(caller, 'keys:read', tenantId),
      resolve: (scope) => scope,
    }),
  }),
})

const BY_NAME: Keyset<ScopeRow> = {
  column: 'name',
  direction: 'asc',
  valueOf: ({ name }) => name,
  parseValue: (value) => (isScopeName(value) ? value : null),
}

const ScopeWhere = builder.inputType('ScopeWhere', {
  description: 'Which scopes: those that meet every condition. Null and an empty text are no condition.',
  fields: (t) => ({
    search: t.string({
      description: 'Text in the name or the description, whatever the case of its letters; at most 100 characters.',
    }),
    category: t.string({ description: 'The category, exactly as it is written, at most 100 characters.' }),
    active: t.boolean({ description: 'Whether the scope is switched on.' }),
  }),
})

builder.queryField('scopes', (t) =>
  t.connection(
    {
      type: Scope,
      description: "A tenant's catalogue of scopes, by name. Requires `scopes:read`.",
      authScopes: (_root, { tenantId }) => ({ tenantPermission: { permission: 'scopes:read', tenantId } }),
      args: {
        tenantId: t.arg.id({ required: true, description: 'Whose catalogue.' }),
        where: t.arg({ type: ScopeWhere, description: 'Which scopes; all when absent.' }),
      },
      resolve: async (_root, args, ctx, info) => {
        const page = parsePage(args)
        const { where, ...order } = pageQuery(page, BY_NAME)
        const wanted = { tenantId: requireTenantUuid(args.tenantId), ...scopeFilterWhere(args.where ?? {}) }
        const rows: ScopeRow[] = await ctx.prisma.scope.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { AND: [wanted, where] },
        })
        return { ...toConnection(rows, page, BY_NAME), count: () => ctx.prisma.scope.count({ where: wanted }) }
      },
    },
    { name: 'ScopeConnection', description: 'A page of scopes.' },
    { name: 'ScopeEdge', description: 'One scope in its place in the list.' },
  ),
)

const ScopeCreateInput = builder.inputType('ScopeCreateInput', {
  description: 'A new scope.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant whose catalogue it goes into.' }),
    name: t.string({
      required: true,
      description: 'Segments joined by colons, such as `orders:read` or `orders:*`; at most 100 characters.',
    }),
    description: t.string({ description: 'What holding it allows, at most 1000 characters.' }),
    category: t.string({ description: 'Free heading to sort scopes under, at most 100 characters.' }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY_DESCRIPTION }),
  }),
})

const ScopeCreatePayload = builder.objectRef<{ scope: ScopeRow }>('ScopeCreatePayload').implement({
  description: 'The scope as it was created.',
  fields: (t) => ({
    scope: t.field({ type: Scope, description: 'The new scope.', resolve: ({ scope }) => scope }),
  }),
})

builder.mutationField('scopeCreate', (t) =>
  t.field({
    type: ScopeCreatePayload,
    description: "Add a scope to a tenant's catalogue. Requires `scopes:write`.",
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: ScopeCreateInput, required: true, description: 'The new scope.' }) },
    resolve: async (_root, { input }, ctx) => ({ scope: await ctx.execute(createScope, input) }),
  }),
)

const ScopeUpdateInput = builder.inputType('ScopeUpdateInput', {
  description: 'What changes about a scope. What is absent stays as it is.',
  fields: (t) => ({
    description: t.string({
      description: 'What holding it allows, at most 1000 characters; null takes the description away.',
    }),
    category: t.string({
      description: 'Free heading to sort scopes under, at most 100 characters; null takes it away.',
    }),
    active: t.boolean({ description: 'Whether keys that hold the scope are granted it; null leaves it as it is.' }),
    expectedVersion: t.int({ description: 'Refuse the change when this is not the version of the scope any more.' }),
  }),
})

const ScopeUpdatePayload = builder.objectRef<{ scope: ScopeRow }>('ScopeUpdatePayload').implement({
  description: 'The scope that was changed.',
  fields: (t) => ({
    scope: t.field({ type: Scope, description: 'The scope as it is now.', resolve: ({ scope }) => scope }),
  }),
})

const ScopeDeletePayload = builder.objectRef<DeletedScope>('ScopeDeletePayload').implement({
  description: 'What was deleted.',
  fields: (t) => ({
    deletedId: t.exposeID('deletedId', { description: 'The id that it had.' }),
    changedKeys: t.exposeInt('changedKeys', { description: 'Keys that held the scope and do not any more.' }),
  }),
})

builder.mutationFields((t) => ({
  scopeUpdate: t.field({
    type: ScopeUpdatePayload,
    description:
      'Describe a scope anew, switch it off or on. One that is off is granted to no key, by its name or by a wildcard, from the next verification on. Requires `scopes:update`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The scope.' }),
      input: t.arg({ type: ScopeUpdateInput, required: true, description: 'What changes.' }),
    },
    resolve: async (_root, { id, input }, ctx) => ({ scope: await ctx.execute(updateScope, { ...input, id }) }),
  }),
  scopeDelete: t.field({
    type: ScopeDeletePayload,
    description:
      'Take a scope out of the catalogue and from every key that holds its name. Keys that hold a wildcard over it keep the wildcard, which grants all that starts so: to grant the scope to nobody, set `active` to false. One that is off is not deleted while a key that is not revoked holds such a wildcard, which would grant it again: that is a `CONFLICT`. Requires `scopes:delete`.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The scope.' }),
      expectedVersion: t.arg.int({ description: 'Refuse when this is not the version of the scope any more.' }),
    },
    resolve: (_root, { id, expectedVersion }, ctx) => ctx.execute(deleteScope, { id, expectedVersion }),
  }),
}))
