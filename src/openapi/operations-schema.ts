import type { OpenApiOperation as OperationRow } from '../generated/prisma/client.ts'
import { requireTenantUuid } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import { type Keyset, pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { findProseFault } from '../lib/text-fault.ts'
import { Tenant } from '../tenants/schema.ts'
import { type DeletedOperations, deleteOperations } from './delete-operations.ts'
import { OPERATION_TEXT_CHARACTERS_MAX } from './openapi-operation.ts'

/** No node: each import replaces what its namespace had, and an operation is then another row. */
const OpenApiOperation = builder.prismaObject('OpenApiOperation', {
  description:
    'An operation of an API that was imported, and the scope by which `/verify` allows it with `requireOperationScope`.',
  fields: (t) => ({
    namespace: t.exposeString('namespace', {
      description: 'First segment of the scopes that were derived with it; an import replaces what its namespace had.',
    }),
    method: t.exposeString('method', { description: 'Such as `GET`, in upper case.' }),
    path: t.exposeString('path', { description: 'Template such as `/pet/{petId}`.' }),
    basePath: t.exposeString('basePath', {
      description: 'Path of the server, which can stand before `path` in a request; empty when there is none.',
    }),
    scope: t.exposeString('scope', { description: 'What a key must hold.' }),
    importedAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was imported.' }),
  }),
})

/** Sorted when they are asked for: they are 20,000 at most, and an index would be written anew with each import. */
const BY_PATH: Keyset<OperationRow> = {
  column: 'path',
  direction: 'asc',
  valueOf: ({ path }) => path,
  parseValue: (value) => (findProseFault(value, OPERATION_TEXT_CHARACTERS_MAX) === null ? value : null),
}

builder.queryField('openApiOperations', (t) =>
  t.connection(
    {
      type: OpenApiOperation,
      description:
        'The operations that a tenant has imported, by their paths; at most 20,000. Requires `openapi:read`.',
      authScopes: (_root, { tenantId }) => ({ tenantPermission: { permission: 'openapi:read', tenantId } }),
      args: { tenantId: t.arg.id({ required: true, description: 'Whose operations.' }) },
      resolve: async (_root, args, ctx, info) => {
        const page = parsePage(args)
        const { where, ...order } = pageQuery(page, BY_PATH)
        const wanted = { tenantId: requireTenantUuid(args.tenantId) }
        const rows: OperationRow[] = await ctx.prisma.openApiOperation.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { AND: [wanted, where] },
        })
        const count = () => ctx.prisma.openApiOperation.count({ where: wanted })
        return { ...toConnection(rows, page, BY_PATH), count }
      },
    },
    { name: 'OpenApiOperationConnection', description: 'A page of operations.' },
    { name: 'OpenApiOperationEdge', description: 'One operation in its place in the list.' },
  ),
)

const OpenApiOperationsDeletePayload = builder
  .objectRef<DeletedOperations>('OpenApiOperationsDeletePayload')
  .implement({
    description: 'The operations were deleted.',
    fields: (t) => ({
      deletedCount: t.exposeInt('deletedCount', { description: 'Operations that the namespace had.' }),
      tenant: t.field({ type: Tenant, description: 'The tenant.', resolve: ({ tenant }) => tenant }),
    }),
  })

builder.mutationField('openApiOperationsDelete', (t) =>
  t.field({
    type: OpenApiOperationsDeletePayload,
    description:
      'Delete the operations that were imported into a namespace: `/verify` matches no request with them any more. Their scopes stay. Requires `openapi:delete`.',
    errors: commandErrors('VALIDATION_FAILED', 'NOT_FOUND'),
    args: {
      tenantId: t.arg.id({ required: true, description: 'Whose operations.' }),
      namespace: t.arg.string({ required: true, description: 'The namespace, at most 40 characters.' }),
    },
    resolve: (_root, args, ctx) => ctx.execute(deleteOperations, args),
  }),
)
