import { visibleTenantIds } from '../actors/actor.ts'
import type { Scope as ScopeRow } from '../generated/prisma/client.ts'
import { requireTenantUuid } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import { IDEMPOTENCY_KEY_DESCRIPTION } from '../graphql/idempotency-key.ts'
import { type Keyset, pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { createScope } from './create-scope.ts'
import { isScopeName } from './scope-name.ts'

export const Scope = builder.prismaNode('Scope', {
  description: 'A permission that a key can hold, in the namespace of its tenant.',
  id: { field: 'id', description: 'Identifies the scope for good.' },
  nullable: true,
  findUnique: (id, { caller }) => {
    const tenantIds = visibleTenantIds(caller.actor, 'scopes:read')
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
  }),
})

const BY_NAME: Keyset<ScopeRow> = {
  column: 'name',
  direction: 'asc',
  valueOf: ({ name }) => name,
  parseValue: (value) => (isScopeName(value) ? value : null),
}

builder.queryField('scopes', (t) =>
  t.connection(
    {
      type: Scope,
      description: "A tenant's catalogue of scopes, by name. Requires `scopes:read`.",
      authScopes: (_root, { tenantId }) => ({ tenantPermission: { permission: 'scopes:read', tenantId } }),
      args: { tenantId: t.arg.id({ required: true, description: 'Whose catalogue.' }) },
      resolve: async (_root, args, ctx, info) => {
        const page = parsePage(args)
        const { where, ...order } = pageQuery(page, BY_NAME)
        const ofTenant = { tenantId: requireTenantUuid(args.tenantId) }
        const rows: ScopeRow[] = await ctx.prisma.scope.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { ...ofTenant, ...where },
        })
        return { ...toConnection(rows, page, BY_NAME), count: () => ctx.prisma.scope.count({ where: ofTenant }) }
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
    name: t.string({ required: true, description: 'Segments joined by colons, such as `orders:read` or `orders:*`.' }),
    description: t.string({ description: 'What holding it allows.' }),
    category: t.string({ description: 'Free heading to sort scopes under.' }),
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
