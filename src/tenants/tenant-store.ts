import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma, PrismaClient, Tenant } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'

/** The tenant's UUID; null for an id that is none or names no tenant. */
export async function findTenantId(find: PrismaClient, publicId: string): Promise<string | null> {
  const id = parsePublicIdOf('Tenant', publicId)
  if (id === null) return null
  const tenant = await find.tenant.findUnique({ where: { id }, select: { id: true } })
  return tenant?.id ?? null
}

/**
 * The tenant as it is now, locked until the transaction ends, so that of two changes that come at once the second decides
 * on what the first left. Rows that refer to the tenant can be added meanwhile, unless it is `toDelete`. Throws NOT_FOUND.
 */
export async function lockTenant(tx: Prisma.TransactionClient, id: string, { toDelete = false } = {}): Promise<Tenant> {
  if (toDelete) await tx.$queryRaw`SELECT FROM tenants WHERE id = ${id}::uuid FOR UPDATE`
  else await tx.$queryRaw`SELECT FROM tenants WHERE id = ${id}::uuid FOR NO KEY UPDATE`
  const tenant = await tx.tenant.findUnique({ where: { id } })
  if (tenant === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  return tenant
}

/** Each takes about a second, and a statement may take ten. */
const DELETED_KEYS_MAX = 10_000
const DELETED_TAG_COUNTS_MAX = 500_000

/**
 * Deletes a tenant with all that belongs to it but the log, and says how many keys it had. Seven statements, one more for
 * each ten thousand keys and for each half million counts by tag. What else refers to the tenant or to its keys goes by
 * foreign keys.
 *
 * What takes longest comes first, and is nothing that servers still write to: whose counts meet a row that is being deleted
 * waits, and with it the counts of others.
 */
export async function deleteTenantRows(tx: Prisma.TransactionClient, id: string, now: Date): Promise<number> {
  await deleteTagCounts(tx, id, new Date(now.getTime() - WRITTEN_LATELY_MS))
  let keys = 0
  for (;;) {
    const deleted = await tx.$executeRaw`
      WITH doomed AS MATERIALIZED (
        SELECT id FROM api_keys WHERE tenant_id = ${id}::uuid LIMIT ${DELETED_KEYS_MAX}
      ), counts AS (
        DELETE FROM quota_counts WHERE subject_id IN (SELECT id FROM doomed)
      ), nonces AS (
        DELETE FROM nonces WHERE api_key_id IN (SELECT id FROM doomed)
      )
      DELETE FROM api_keys WHERE id IN (SELECT id FROM doomed)`
    keys += deleted
    if (deleted < DELETED_KEYS_MAX) break
  }
  await tx.quotaCount.deleteMany({ where: { subjectId: id } })
  await tx.usageMinute.deleteMany({ where: { tenantId: id } })
  await deleteTagCounts(tx, id, null)
  await tx.usageTag.deleteMany({ where: { tenantId: id } })
  await tx.tenant.delete({ where: { id }, select: { id: true } })
  return keys
}

/** Counts of older minutes are written, unless the database was away for longer. */
const WRITTEN_LATELY_MS = 60 * 60 * 1000

/**
 * There can be more of them than of all the rest: as many for each minute as a tenant has tags.
 *
 * @param before of which minutes; null for all
 */
async function deleteTagCounts(tx: Prisma.TransactionClient, tenantId: string, before: Date | null): Promise<void> {
  let deleted: number
  do {
    deleted = await tx.$executeRaw`
      DELETE FROM usage_tag_minutes WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM usage_tag_minutes
         WHERE tenant_id = ${tenantId}::uuid AND minute < coalesce(${before}::timestamptz, 'infinity')
         LIMIT ${DELETED_TAG_COUNTS_MAX}))`
  } while (deleted === DELETED_TAG_COUNTS_MAX)
}
