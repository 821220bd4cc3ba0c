import { queryFromInfo } from '@pothos/plugin-prisma'
import type { GraphQLResolveInfo } from 'graphql'
import type { GraphQLContext } from './context.ts'

/**
 * What rows must be read with, so that all that the caller selected of them, however deep, takes one statement. It is
 * part of a Prisma query and typed as changing nothing about a row: only Pothos looks at what it adds.
 */
type RowPlan = Record<never, never>

/** For the rows of a connection. `include` names relations that are read whether or not the caller selected them. */
export function planConnectionRows(
  context: GraphQLContext,
  info: GraphQLResolveInfo,
  include: Readonly<Record<string, true>> = {},
): RowPlan {
  return queryFromInfo({ context, info, paths: [['nodes'], ['edges', 'node']], include })
}

/** For one row of a field that can be of several types. */
export function planRow(context: GraphQLContext, info: GraphQLResolveInfo, typeName: string): RowPlan {
  return queryFromInfo({ context, info, typeName })
}
