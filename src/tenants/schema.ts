import { validationFailed } from '../errors/keyward-error.ts'
import type { Tenant as TenantRow } from '../generated/prisma/client.ts'
import { requirePermissionIn, requireTenantIdsWith } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import { IDEMPOTENCY_KEY_DESCRIPTION } from '../graphql/idempotency-key.ts'
import { NEWEST_FIRST, pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { deleteTenant } from './delete-tenant.ts'
import { resumeTenant } from './resume-tenant.ts'
import { suspendTenant } from './suspend-tenant.ts'
import { isSlug } from './tenant-rules.ts'
import { updateTenant } from './update-tenant.ts'

/** Which tenants the caller may see, as a condition on the table of tenants. Throws FORBIDDEN when it may see none of its own. */
function visibleTenants({ caller }: GraphQLContext): { id?: { in: string[] } } {
  const ids = requireTenantIdsWith(caller, 'tenants:read')
  return ids === 'all' ? {} : { id: { in: [...ids] } }
}

const TenantStatus = builder.enumType('TenantStatus', {
  description: 'Whether the keys of a tenant are answered by their own rules.',
  values: {
    ACTIVE: { description: 'Each key is answered by its own rules.' },
    SUSPENDED: { description: 'Every key is denied.' },
  },
})

/** For what a tenant shows beyond what it is called, which is part of everything that belongs to it. */
const withTenantsRead = {
  nullable: true,
  authScopes: ({ id }: TenantRow, _args: object, { caller, changedIds }: GraphQLContext) =>
    changedIds.has(id) || requirePermissionIn(caller, 'tenants:read', id),
} as const

export const Tenant = builder.prismaNode('Tenant', {
  description:
    'A customer whose keys, scopes and people are isolated from those of every other. Whoever sees something of a tenant sees its `id`, `slug` and `name`. All else requires `tenants:read`, or `configs:read` where it says so, and is null without.',
  id: { field: 'id', description: 'Identifies the tenant for good.' },
  nullable: true,
  findUnique: (id, ctx) => (ctx.changedIds.has(id) ? { id } : { id, AND: visibleTenants(ctx) }),
  fields: (t) => ({
    slug: t.exposeString('slug'),
    name: t.exposeString('name'),
    version: t.exposeInt('version', withTenantsRead),
    keyPrefix: t.exposeString('keyPrefix', withTenantsRead),
    timeZone: t.expose('timeZone', { ...withTenantsRead, type: 'TimeZone' }),
    isPlatform: t.exposeBoolean('isPlatform', withTenantsRead),
    status: t.field({
      ...withTenantsRead,
      type: TenantStatus,
      description: 'Whether the keys of the tenant are answered by their own rules.',
      resolve: ({ suspendedAt }) => (suspendedAt === null ? 'ACTIVE' : 'SUSPENDED'),
    }),
    createdAt: t.expose('createdAt', { ...withTenantsRead, type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { ...withTenantsRead, type: 'DateTime' }),
  }),
})

interface TenantHandle {
  readonly id?: string | null | undefined
  readonly slug?: string | null | undefined
}

/** Null for what names no tenant. Throws VALIDATION_FAILED unless there is exactly one of the two. */
function toUniqueCondition({ id, slug }: TenantHandle) {
  if (id != null && slug == null) {
    const uuid = parsePublicIdOf('Tenant', id)
    return uuid === null ? null : { id: uuid }
  }
  if (id == null && slug != null) return isSlug(slug) ? { slug } : null
  throw validationFailed([{ path: ['id'], detail: 'give either `id` or `slug`' }])
}

builder.queryFields((t) => ({
  tenant: t.prismaField({
    type: Tenant,
    nullable: true,
    description:
      'One tenant, by either its id or its slug; null when there is none that the caller may see. Requires `tenants:read`.',
    authScopes: { authenticated: true },
    args: {
      id: t.arg.id({ description: 'The tenant.' }),
      slug: t.arg.string({ description: 'Instead of `id`: its slug, at most 63 characters.' }),
    },
    resolve: (query, _root, args, ctx) => {
      const where = toUniqueCondition(args)
      return where && ctx.prisma.tenant.findUnique({ ...query, where: { ...where, AND: visibleTenants(ctx) } })
    },
  }),
  tenants: t.connection(
    {
      type: Tenant,
      description: 'The tenants that the caller may see, newest first. Requires `tenants:read`.',
      authScopes: { authenticated: true },
      resolve: async (_root, args, ctx, info) => {
        const page = parsePage(args)
        const { where, ...order } = pageQuery(page, NEWEST_FIRST)
        const visible = visibleTenants(ctx)
        const rows: TenantRow[] = await ctx.prisma.tenant.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { AND: [visible, where] },
        })
        return { ...toConnection(rows, page, NEWEST_FIRST), count: () => ctx.prisma.tenant.count({ where: visible }) }
      },
    },
    { name: 'TenantConnection', description: 'A page of tenants.' },
    { name: 'TenantEdge', description: 'One tenant in its place in the list.' },
  ),
}))

const TenantCreateInput = builder.inputType('TenantCreateInput', {
  description: 'A new tenant.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Name for people, at most 100 characters.' }),
    slug: t.string({
      required: true,
      description:
        'Short name for URLs and commands, unique in the installation: at most 63 characters, lower-case letters and digits in words joined by single hyphens.',
    }),
    keyPrefix: t.string({
      required: true,
      description: 'First part of every token: 2 to 16 characters, lower-case letters and digits, a letter first.',
    }),
    timeZone: t.field({ type: 'TimeZone', description: "Zone of the tenant's days and months; UTC when absent." }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY_DESCRIPTION }),
  }),
})

function tenantPayload(name: string, description: string, field = 'The tenant as it is now.') {
  return builder.objectRef<TenantRow>(name).implement({
    description,
    fields: (t) => ({
      tenant: t.field({ type: Tenant, description: field, resolve: (tenant) => tenant }),
    }),
  })
}

const TenantUpdateInput = builder.inputType('TenantUpdateInput', {
  description: 'What changes about a tenant. What is absent stays as it is.',
  fields: (t) => ({
    name: t.string({ description: 'Name for people, at most 100 characters.' }),
    timeZone: t.field({
      type: 'TimeZone',
      description: "Zone of the tenant's days and months; counts from the next verification on.",
    }),
    expectedVersion: t.int({ description: 'Refuse the change when this is not the version of the tenant any more.' }),
  }),
})

const TenantDeletePayload = builder.objectRef<string>('TenantDeletePayload').implement({
  description: 'What was deleted.',
  fields: (t) => ({ deletedId: t.id({ description: 'The id that it had.', resolve: (id) => id }) }),
})

builder.mutationFields((t) => ({
  tenantCreate: t.field({
    type: tenantPayload('TenantCreatePayload', 'The tenant as it was created.', 'The new tenant.'),
    description:
      'Create a tenant. Requires `tenants:create`, in the platform tenant; where people can sign up, a session is enough, and the caller is the first owner.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT'),
    args: { input: t.arg({ type: TenantCreateInput, required: true, description: 'The new tenant.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(ctx.tenantCommands.create, input),
  }),
  tenantUpdate: t.field({
    type: tenantPayload('TenantUpdatePayload', 'The tenant that was changed.'),
    description: 'Change what a tenant is called and its time zone. Requires `tenants:update`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The tenant.' }),
      input: t.arg({ type: TenantUpdateInput, required: true, description: 'What changes.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(updateTenant, { id, ...input }),
  }),
  tenantDelete: t.field({
    type: TenantDeletePayload,
    description:
      "Delete a tenant for good, with its keys, scopes, memberships and counts: its tokens are nobody's from the next verification on. The log keeps what happened. Requires `tenants:delete`.",
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The tenant.' }),
      confirmSlug: t.arg.string({
        required: true,
        description: 'The slug of the tenant, to confirm: at most 63 characters.',
      }),
    },
    resolve: (_root, { id, confirmSlug }, ctx) => ctx.execute(deleteTenant, { id, confirmSlug }),
  }),
  tenantSuspend: t.field({
    type: tenantPayload('TenantSuspendPayload', 'The tenant that was suspended.'),
    description:
      'Suspend a tenant: every one of its keys is denied from the next verification on. Requires `tenants:suspend`, in the platform tenant.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { id: t.arg.id({ required: true, description: 'The tenant.' }) },
    resolve: (_root, { id }, ctx) => ctx.execute(suspendTenant, { id }),
  }),
  tenantResume: t.field({
    type: tenantPayload('TenantResumePayload', 'The tenant that was resumed.'),
    description:
      'Resume a suspended tenant: its keys are answered by their own rules again. Requires `tenants:suspend`, in the platform tenant.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { id: t.arg.id({ required: true, description: 'The tenant.' }) },
    resolve: (_root, { id }, ctx) => ctx.execute(resumeTenant, { id }),
  }),
}))
