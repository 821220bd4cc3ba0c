import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import DataloaderPlugin from '@pothos/plugin-dataloader'
import ErrorsPlugin from '@pothos/plugin-errors'
import PrismaPlugin from '@pothos/plugin-prisma'
import RelayPlugin from '@pothos/plugin-relay'
import ScopeAuthPlugin from '@pothos/plugin-scope-auth'
import { GraphQLError } from 'graphql'
import {
  DateTimeResolver,
  EmailAddressResolver,
  JSONResolver,
  SafeIntResolver,
  TimeZoneResolver,
} from 'graphql-scalars'
import type { Permission } from '../actors/permissions.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type PrismaTypes from '../generated/pothos.ts'
import { getDatamodel } from '../generated/pothos.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import { formatPublicId, isPublicIdTypename, parsePublicId } from '../public-id.ts'
import { requireAuthenticated, requireTenantPermission } from './authorization.ts'
import type { GraphQLContext } from './context.ts'
import { COST_MAX, DEPTH_MAX, PAGE_SIZE_DEFAULT } from './limits.ts'

export interface SchemaTypes {
  Context: GraphQLContext
  PrismaTypes: PrismaTypes
  DefaultFieldNullability: false
  DefaultAuthStrategy: 'all'
  AuthScopes: {
    authenticated: boolean
    tenantPermission: { permission: Permission; tenantId: string }
  }
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    EmailAddress: { Input: string; Output: string }
    JSON: { Input: unknown; Output: unknown }
    TimeZone: { Input: string; Output: string }
    SafeInt: { Input: number; Output: number }
  }
}

/**
 * Makes the schema; knows no product noun. The plugins are the path of a field from the outside in: an expected error of
 * anything below becomes a result, ids are decoded, the caller is authorized, the cost is counted, rows are read.
 */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ErrorsPlugin, RelayPlugin, ScopeAuthPlugin, ComplexityPlugin, PrismaPlugin, DataloaderPlugin],
  defaultFieldNullability: false,
  errors: {
    directResult: true,
    defaultTypes: [],
    defaultUnionOptions: { name: ({ fieldName }) => `${capitalize(fieldName)}Result` },
  },
  relay: {
    nodesOnConnection: { complexity: { field: 0, multiplier: 1 } },
    clientMutationId: 'omit',
    cursorType: 'String',
    encodeGlobalID: (typename, id) => {
      if (!isPublicIdTypename(typename)) throw new Error(`Give ${typename} a prefix among the public ids.`)
      return formatPublicId(typename, String(id))
    },
    // What is no id of ours leads to a type that has no rows, and so to the null of a thing that is not there.
    decodeGlobalID: (globalId) => {
      const id = parsePublicId(globalId)
      return id === null ? { typename: 'Unknown', id: globalId } : { typename: id.typename, id: id.uuid }
    },
    nodesQueryOptions: false,
    nodeQueryOptions: {
      description: 'Any one thing by its id; null when there is none that the caller may see.',
    },
  },
  scopeAuth: {
    defaultStrategy: 'all',
    authorizeOnSubscribe: true,
    authScopes: ({ caller }) => ({
      authenticated: () => requireAuthenticated(caller),
      tenantPermission: ({ permission, tenantId }) => requireTenantPermission(caller, permission, tenantId),
    }),
    unauthorizedError: () => new KeywardError('FORBIDDEN', 'The caller may not see this field.'),
  },
  complexity: {
    defaultComplexity: 1,
    defaultListMultiplier: PAGE_SIZE_DEFAULT,
    limit: { complexity: COST_MAX, depth: DEPTH_MAX },
    complexityError: (kind, { complexity, maxComplexity, depth, maxDepth }) =>
      new GraphQLError(
        kind === 'Depth'
          ? `The document is ${depth} levels deep; at most ${maxDepth} are allowed.`
          : `The document costs ${complexity}; at most ${maxComplexity} are allowed. Ask for fewer rows or fields.`,
        { extensions: { code: 'QUERY_TOO_COMPLEX' } },
      ),
  },
  prisma: {
    client: ({ prisma }): PrismaClient => prisma,
    dmmf: getDatamodel(),
    exposeDescriptions: { fields: true, models: true },
    filterConnectionTotalCount: true,
    onUnusedQuery: null,
  },
})

function capitalize(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

builder.addScalarType('DateTime', DateTimeResolver, {
  description: 'An instant as RFC 3339 date-time with milliseconds, such as `2026-01-31T12:00:00.000Z`.',
})
builder.addScalarType('EmailAddress', EmailAddressResolver, { description: 'An e-mail address (RFC 5322).' })
builder.addScalarType('JSON', JSONResolver, { description: 'Any JSON value.' })
builder.addScalarType('TimeZone', TimeZoneResolver, { description: 'An IANA time zone, such as `Europe/Berlin`.' })
builder.addScalarType('SafeInt', SafeIntResolver, {
  description: 'A whole number that a double holds exactly, up to 2^53 - 1.',
})

builder.queryType({ description: 'Reads. What the caller may not see looks the same as what does not exist.' })
builder.mutationType({
  description: 'Changes. Each one is recorded; failures that can be expected are members of the result union.',
})
