import type pg from 'pg'
import { chunksOf } from '../commands/bulk-document.ts'
import type { Work } from '../commands/command.ts'
import { isUnavailable } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma, Tenant } from '../generated/prisma/client.ts'
import { lockTenant } from '../tenants/tenant-store.ts'
import type { OperationSource } from '../verify/operations/find-matcher.ts'
import type { OperationRecord } from '../verify/operations/operation-matcher.ts'
import type { NeededScope } from './generate-scopes.ts'

/** Operations that a tenant can keep, of all namespaces together. It bounds what a server holds in memory for it. */
export const KEPT_OPERATIONS_MAX = 20_000

/** Rows that are taken from the database in one go, which takes a millisecond or two. Verifications are answered in between. */
const FETCHED_AT_ONCE = 500

const OPEN_OPERATIONS = `DECLARE operations NO SCROLL CURSOR FOR
  SELECT method, path, base_path AS "basePath", scope FROM openapi_operations
   WHERE tenant_id = $1 ORDER BY id DESC LIMIT ${KEPT_OPERATIONS_MAX}`
const FETCH_OPERATIONS = `FETCH ${FETCHED_AT_ONCE} FROM operations`
const BOUNDS = { query_timeout: 2_000 }

/** Reads operations for verification. Rejects with UNAVAILABLE when the database does not answer. */
export function createOperationSource(pool: pg.Pool): OperationSource {
  return {
    async findOperations(tenantId) {
      try {
        const client = await pool.connect()
        // A connection on which something failed is in the middle of a transaction, or of nobody knows what.
        let failure: Error | undefined
        try {
          return await readOperations(client, tenantId)
        } catch (error) {
          failure = error instanceof Error ? error : new Error(String(error))
          throw error
        } finally {
          client.release(failure)
        }
      } catch (error) {
        if (!isUnavailable(error)) throw error
        const detail = 'The database cannot be reached right now.'
        throw new KeywardError('UNAVAILABLE', detail, { retryAfterSeconds: 1, cause: error })
      }
    },
  }
}

/** All as they were at one moment: an import that commits meanwhile shows in none of them. */
async function readOperations(client: pg.PoolClient, tenantId: string): Promise<readonly OperationRecord[]> {
  const ask = (text: string, values: readonly string[] = []) =>
    client.query<OperationRecord>({ ...BOUNDS, text, values: [...values] })
  await ask('BEGIN READ ONLY')
  await ask(OPEN_OPERATIONS, [tenantId])
  const operations: OperationRecord[] = []
  let isOver = false
  while (!isOver) {
    const { rows } = await ask(FETCH_OPERATIONS)
    operations.push(...rows)
    isOver = rows.length < FETCHED_AT_ONCE
  }
  await ask('COMMIT')
  return operations
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
    const column = <Name extends keyof NeededScope>(name: Name) => chunk.map((operation) => operation[name])
    const ids = chunk.map(newId)
    // By hand: Prisma would spend longer on planning the statement than PostgreSQL on executing it, and all others wait then.
    await tx.$executeRaw`
      INSERT INTO openapi_operations (id, tenant_id, namespace, method, path, base_path, scope, created_at)
      SELECT id, ${tenantId}::uuid, ${namespace}, method, path, ${basePath}, scope, ${now}
        FROM unnest(${ids}::uuid[], ${column('method')}::text[], ${column('path')}::text[], ${column('scope')}::text[])
             AS given (id, method, path, scope)`
  }
}

/**
 * Deletes the operations of one namespace and gives the tenant a new revision, or none when no operation is left. Matchers
 * are known by the revision, so nobody asks for the old one any more. Five statements.
 */
export async function deleteOperationRows(
  tx: Prisma.TransactionClient,
  { tenantId, namespace, revision }: { tenantId: string; namespace: string; revision: string },
): Promise<{ tenant: Tenant; deletedCount: number }> {
  // The tenant is locked first, as by an import.
  await lockTenant(tx, tenantId)
  const { count: deletedCount } = await tx.openApiOperation.deleteMany({ where: { tenantId, namespace } })
  const left = await tx.openApiOperation.findFirst({ where: { tenantId }, select: { id: true } })
  const operationsRevision = left === null ? null : revision
  return { deletedCount, tenant: await tx.tenant.update({ where: { id: tenantId }, data: { operationsRevision } }) }
}
