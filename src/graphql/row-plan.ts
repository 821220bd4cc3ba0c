import { queryFromInfo } from '@pothos/plugin-prisma'
import type { GraphQLResolveInfo } from 'graphql'
import type { GraphQLContext } from './context.ts'

/**
 * The relations that the rows of a connection must be read with, so that what the caller selected takes one statement.
 * It is part of a Prisma query and only ever adds to a row, so it is typed as adding nothing.
 */
export function planConnectionRows(context: GraphQLContext, info: GraphQLResolveInfo): Record<never, never> {
  return queryFromInfo({ context, info, paths: [['nodes'], ['edges', 'node']] })
}
