import { validationFailed } from '../errors/keyward-error.ts'
import { requireTenantUuid } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import { OrderDirection } from '../graphql/connection.ts'
import { pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { toKeyCondition, validateKeyFilter } from './key-filter.ts'
import { keysetOf, type ListedKey } from './key-order.ts'
import { ApiKey, ApiKeyStatus, Environment } from './key-type.ts'

const ApiKeyWhere = builder.inputType('ApiKeyWhere', {
  description: 'Which keys: those that meet every condition. Null, an empty list and an empty text are no condition.',
  fields: (t) => ({
    search: t.string({
      description:
        'Text in the name, the `ownerId` or the beginning of a token, whatever the case of its letters; at most 200 characters.',
    }),
    ownerId: t.string({ description: 'Exactly this `ownerId`, at most 200 characters.' }),
    environment: t.field({ type: [Environment], description: 'One of these environments.' }),
    status: t.field({ type: [ApiKeyStatus], description: 'One of these at the moment of asking.' }),
    scope: t.string({
      description:
        'Holds this scope, a name of at most 100 characters, itself or by a wildcard, whether or not the catalogue has switched it off.',
    }),
    createdAfter: t.field({ type: 'DateTime', description: 'Created then or later.' }),
    createdBefore: t.field({ type: 'DateTime', description: 'Created earlier.' }),
    usedBefore: t.field({
      type: 'DateTime',
      description: 'Used, and for the last time earlier than that. What was never used is not among them.',
    }),
    expiringBefore: t.field({
      type: 'DateTime',
      description: 'Expires earlier than that, or has expired already. What never expires is not among them.',
    }),
  }),
})

const ApiKeyOrderField = builder.enumType('ApiKeyOrderField', {
  description: 'What a list of keys is sorted by; keys that are equal in it are sorted by age.',
  values: {
    NAME: { description: 'The name, character by character as the database compares them.' },
    CREATED_AT: { description: 'When the key was created.' },
    LAST_USED_AT: { description: 'When the key was last used; what was never used is earlier than all else.' },
    EXPIRES_AT: { description: 'When the key expires; what never expires is later than all else.' },
  } as const,
})

const ApiKeyOrder = builder.inputType('ApiKeyOrder', {
  description: 'How a list of keys is sorted.',
  fields: (t) => ({
    field: t.field({ type: ApiKeyOrderField, required: true, description: 'By what.' }),
    direction: t.field({ type: OrderDirection, required: true, description: 'In which direction.' }),
  }),
})

builder.queryField('apiKeys', (t) =>
  t.connection(
    {
      type: ApiKey,
      description: "A tenant's keys. Requires `keys:read`.",
      authScopes: (_root, { tenantId }) => ({ tenantPermission: { permission: 'keys:read', tenantId } }),
      args: {
        tenantId: t.arg.id({ required: true, description: 'Whose keys.' }),
        where: t.arg({ type: ApiKeyWhere, description: 'Which keys; all when absent.' }),
        orderBy: t.arg({ type: ApiKeyOrder, description: 'In which order; newest first when absent.' }),
      },
      resolve: async (_root, { tenantId, where: filter, orderBy: order, ...pageArgs }, ctx, info) => {
        const page = parsePage(pageArgs)
        const keyset = keysetOf(order)
        const issues = validateKeyFilter(filter ?? {})
        if (issues.length > 0) throw validationFailed(issues)

        const condition = toKeyCondition(filter ?? {}, requireTenantUuid(tenantId), new Date(ctx.clock.now()))
        const { where, ...rest } = pageQuery(page, keyset)
        const rows: ListedKey[] = await ctx.prisma.apiKey.findMany({
          ...planConnectionRows(ctx, info, keyset.field === undefined ? {} : { [keyset.column]: true }),
          ...rest,
          where: { AND: [condition, where] },
        })
        return { ...toConnection(rows, page, keyset), count: () => ctx.prisma.apiKey.count({ where: condition }) }
      },
    },
    { name: 'ApiKeyConnection', description: 'A page of keys.' },
    { name: 'ApiKeyEdge', description: 'One key in its place in the list.' },
  ),
)
