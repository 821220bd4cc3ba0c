import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import DataloaderPlugin from '@pothos/plugin-dataloader'
import ErrorsPlugin from '@pothos/plugin-errors'
import PrismaPlugin from '@pothos/plugin-prisma'
import RelayPlugin from '@pothos/plugin-relay'
import ScopeAuthPlugin from '@pothos/plugin-scope-auth'
import { type GraphQLSchema, isObjectType } from 'graphql'
import type { Permission } from '../actors/permissions.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type PrismaTypes from '../generated/pothos.ts'
import { getDatamodel } from '../generated/pothos.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import { formatPublicId, isPublicIdTypename, parsePublicId } from '../public-id.ts'
import { requireAuthenticated, requirePlatformPermission, requireTenantPermission } from './authorization.ts'
import type { GraphQLContext } from './context.ts'
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './limits.ts'
import { NULLABLE_ROOTS } from './nullable-roots.ts'
import { SCALARS } from './scalars.ts'

export interface SchemaTypes {
  Context: GraphQLContext
  PrismaTypes: PrismaTypes
  DefaultFieldNullability: false
  DefaultAuthStrategy: 'all'
  AuthScopes: {
    authenticated: boolean
    platformPermission: Permission
    tenantPermission: { permission: Permission; tenantId: string }
  }
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    EmailAddress: { Input: string; Output: string }
    JSON: { Input: unknown; Output: unknown }
    LocalTime: { Input: string; Output: string }
    TimeZone: { Input: string; Output: string }
    SafeInt: { Input: number; Output: number }
    URL: { Input: URL; Output: URL }
  }
}

/**
 * Makes the schema; knows no product noun. The plugins are the path of a field from the outside in: an expected error of
 * anything below becomes a result, ids are decoded, the caller is authorized, the cost is counted, rows are read.
 */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [
    NULLABLE_ROOTS,
    ErrorsPlugin,
    RelayPlugin,
    ScopeAuthPlugin,
    ComplexityPlugin,
    PrismaPlugin,
    DataloaderPlugin,
  ],
  defaultFieldNullability: false,
  errors: {
    directResult: true,
    defaultTypes: [],
    defaultUnionOptions: { name: ({ fieldName }) => `${capitalize(fieldName)}Result` },
  },
  relay: {
    clientMutationId: 'omit',
    cursorType: 'String',
    encodeGlobalID: (typename, id) => {
      if (!isPublicIdTypename(typename)) throw new Error(`Give ${typename} a prefix among the public ids.`)
      return formatPublicId(typename, String(id))
    },
    decodeGlobalID: (globalId) => {
      const id = parsePublicId(globalId)
      return id === null ? { typename: 'Unknown', id: globalId } : { typename: id.typename, id: id.uuid }
    },
    nodesQueryOptions: false,
    nodeQueryOptions: {
      description: 'Any one thing by its id; null when there is none that the caller may see.',
      authScopes: { authenticated: true },
      args: { id: { description: 'The thing.' } },
      resolve: (_root, { id }, _ctx, info, resolveNode) =>
        isNodeType(info.schema, id.typename) ? resolveNode(id) : null,
    },
    nodeTypeOptions: { description: 'A thing that has an id of its own.' },
    idFieldOptions: { description: 'Identifies the thing for good, among all things of every kind.' },
    // A connection costs what one row costs, times the rows that can come back.
    defaultConnectionFieldOptions: {
      complexity: ({ first, last }) => ({ field: 1, multiplier: countRows(first ?? last) }),
    },
    edgesFieldOptions: { description: 'The rows, each with its cursor.', complexity: { field: 1, multiplier: 1 } },
    nodesOnConnection: { description: 'The rows without cursors.', complexity: { field: 1, multiplier: 1 } },
    nodeFieldOptions: { description: 'The row itself.' },
    cursorFieldOptions: { description: 'Place of the row in the list, for `after` and `before`.' },
    firstArgOptions: {
      description: `Rows from the beginning, 0 to ${PAGE_SIZE_MAX}; ${PAGE_SIZE_DEFAULT} when absent.`,
    },
    afterArgOptions: { description: 'Only rows after this cursor.' },
    lastArgOptions: { description: `Instead of \`first\`: rows from the end, 0 to ${PAGE_SIZE_MAX}.` },
    beforeArgOptions: { description: 'Only rows before this cursor.' },
    pageInfoFieldOptions: { description: 'Where the page lies in the list.' },
    pageInfoTypeOptions: { description: 'Where a page lies in its list.' },
    hasNextPageFieldOptions: { description: 'Whether rows come after the page.' },
    hasPreviousPageFieldOptions: { description: 'Whether rows come before the page.' },
    startCursorFieldOptions: { description: 'Cursor of the first row; null for an empty page.' },
    endCursorFieldOptions: { description: 'Cursor of the last row; null for an empty page.' },
  },
  scopeAuth: {
    defaultStrategy: 'all',
    authorizeOnSubscribe: true,
    authScopes: (ctx) => ({
      authenticated: () => requireAuthenticated(ctx.caller),
      platformPermission: (permission) => requirePlatformPermission(ctx.caller, permission),
      tenantPermission: ({ permission, tenantId }) => requireTenantPermission(ctx, permission, tenantId),
    }),
    unauthorizedError: () => new KeywardError('FORBIDDEN', 'The caller may not see this field.'),
  },
  // Counted before the execution (see `cost-limits.ts`), so that no limit is set here.
  complexity: { defaultComplexity: 1, defaultListMultiplier: PAGE_SIZE_DEFAULT },
  prisma: {
    client: ({ prisma }): PrismaClient => prisma,
    dmmf: getDatamodel(),
    exposeDescriptions: { fields: true, models: true },
    filterConnectionTotalCount: true,
    onUnusedQuery: null,
  },
})

/** Whether things of a type can be asked for by id; not all that have an id can, and what is no id has no type at all. */
function isNodeType(schema: GraphQLSchema, typename: string): boolean {
  const type = schema.getType(typename)
  return isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node')
}

/** Sizes that are out of range are refused by the field itself, in its own words, whatever they would cost. */
function countRows(size: number | null | undefined): number {
  return Math.min(Math.max(size ?? PAGE_SIZE_DEFAULT, 0), PAGE_SIZE_MAX)
}

function capitalize(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

builder.addScalarType('DateTime', SCALARS.DateTime, {
  description: 'An instant as RFC 3339 date-time with milliseconds, such as `2026-01-31T12:00:00.000Z`.',
})
builder.addScalarType('EmailAddress', SCALARS.EmailAddress, { description: 'An e-mail address (RFC 5322).' })
builder.addScalarType('JSON', SCALARS.JSON, { description: 'Any JSON value.' })
builder.addScalarType('LocalTime', SCALARS.LocalTime, {
  description: 'A time on the clock on the wall, such as `09:30` or `23:59:59`.',
})
builder.addScalarType('TimeZone', SCALARS.TimeZone, { description: 'An IANA time zone, such as `Europe/Berlin`.' })
builder.addScalarType('URL', SCALARS.URL, { description: 'A URL, such as `https://api.example.com/openapi.json`.' })
builder.addScalarType('SafeInt', SCALARS.SafeInt, {
  description: 'A whole number that a double holds exactly, up to 2^53 - 1.',
})

/** Which field of several failed is told by the entry's `path`. */
const FAILED_FIELD = 'A field that failed is null and has an entry in `errors`; the others are answered all the same.'

builder.queryType({
  description: `Reads. What the caller may not see looks the same as what does not exist. ${FAILED_FIELD}`,
})
builder.mutationType({
  description: `Changes, made one after the other. Each one is recorded; failures that can be expected are members of the result union. ${FAILED_FIELD}`,
})
