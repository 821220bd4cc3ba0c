import type pg from 'pg'
import { chunksOf } from '../commands/bulk-document.ts'
import type { Work } from '../commands/command.ts'
import { isUnavailable } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { OperationSource } from '../verify/operations/find-matcher.ts'
import type { NeededScope } from './generate-scopes.ts'

/** Operations that a tenant can keep, of all namespaces together. It bounds what a server holds in memory for it. */
export const KEPT_OPERATIONS_MAX = 20_000

const FIND_OPERATIONS = {
  name: 'find-operations',
  query_timeout: 2_000,
  text: `SELECT method, path, base_path AS "basePath", scope FROM openapi_operations
          WHERE tenant_id = $1 ORDER BY id DESC LIMIT ${KEPT_OPERATIONS_MAX}`,
}

/** Reads operations for verification. Rejects with UNAVAILABLE when the database does not answer. */
export function createOperationSource(pool: pg.Pool): OperationSource {
  return {
    async findOperations(tenantId) {
      try {
        return (await pool.query({ ...FIND_OPERATIONS, values: [tenantId] })).rows
      } catch (error) {
        if (!isUnavailable(error)) throw error
        const detail = 'The database cannot be reached right now.'
        throw new KeywardError('UNAVAILABLE', detail, { retryAfterSeconds: 1, cause: error })
      }
    },
  }
}

/**
 * Keeps the operations of an API in the place of those that were imported into its namespace before, and gives the tenant a
 * new revision. Throws CONFLICT when they are too many. Three statements, and one for each 500 operations.
 */
export async function replaceOperations(
  { tx, newId, now }: Pick<Work, 'tx' | 'newId' | 'now'>,
  api: { tenantId: string; namespace: string; basePath: string; operations: readonly NeededScope[] },
): Promise<void> {
  const { tenantId, namespace, basePath, operations } = api
  // The tenant is locked first, so that two imports come one after the other.
  await tx.tenant.update({ where: { id: tenantId }, data: { operationsRevision: newId() }, select: { id: true } })
  await tx.openApiOperation.deleteMany({ where: { tenantId, namespace } })
  const others = await tx.openApiOperation.count({ where: { tenantId } })
  if (others + operations.length > KEPT_OPERATIONS_MAX) {
    throw new KeywardError(
      'CONFLICT',
      `The tenant keeps ${others} operations of other namespaces; at most ${KEPT_OPERATIONS_MAX} in all are kept.`,
    )
  }
  for (const chunk of chunksOf(operations)) {
    await tx.openApiOperation.createMany({
      data: chunk.map((operation) => ({ id: newId(), tenantId, namespace, basePath, ...operation, createdAt: now })),
    })
  }
}
