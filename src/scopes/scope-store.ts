import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma, PrismaClient, Scope } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { listGrantingNames } from './scope-set.ts'

/** Whose scope it is, to be asked before anything else; null for an id that is none or names no scope. */
export async function findTenantIdOfScope(find: PrismaClient, publicId: string): Promise<string | null> {
  const id = parsePublicIdOf('Scope', publicId)
  if (id === null) return null
  const scope = await find.scope.findUnique({ where: { id }, select: { tenantId: true } })
  return scope?.tenantId ?? null
}

/**
 * The scope as it is now, locked until the transaction ends. `toDelete` also waits for keys that are just being given the
 * scope, and keeps others from giving it; see `findUngrantableScopes`. Throws NOT_FOUND.
 */
export async function lockScope(
  tx: Prisma.TransactionClient,
  tenantId: string,
  publicId: string,
  { toDelete = false } = {},
): Promise<Scope> {
  const id = parsePublicIdOf('Scope', publicId)
  if (id === null) throw scopeNotFound()
  if (toDelete)
    await tx.$queryRaw`SELECT FROM scopes WHERE id = ${id}::uuid AND tenant_id = ${tenantId}::uuid FOR UPDATE`
  else await tx.$queryRaw`SELECT FROM scopes WHERE id = ${id}::uuid AND tenant_id = ${tenantId}::uuid FOR NO KEY UPDATE`
  const scope = await tx.scope.findFirst({ where: { id, tenantId } })
  if (scope === null) throw scopeNotFound()
  return scope
}

/** Takes a name from every key of the tenant that holds it. Returns how many did. One statement. */
export async function removeScopeFromKeys(
  tx: Prisma.TransactionClient,
  { tenantId, name, now }: { tenantId: string; name: string; now: Date },
): Promise<number> {
  return tx.$executeRaw`
    UPDATE api_keys SET scopes = array_remove(scopes, ${name}::text), version = version + 1, updated_at = ${now}
     WHERE tenant_id = ${tenantId}::uuid AND scopes @> ARRAY[${name}::text]`
}

/** Whether a key of the tenant that is not revoked holds a wildcard that covers the name. One statement. */
export async function isCoveredByWildcard(
  tx: Prisma.TransactionClient,
  { tenantId, name }: { tenantId: string; name: string },
): Promise<boolean> {
  const wildcards = listGrantingNames(name).filter((granting) => granting !== name)
  if (wildcards.length === 0) return false
  const [found] = await tx.$queryRaw<{ covered: boolean }[]>`
    SELECT EXISTS (SELECT FROM api_keys WHERE tenant_id = ${tenantId}::uuid AND revoked_at IS NULL
                      AND scopes && ${wildcards}::text[]) AS covered`
  return found?.covered === true
}

function scopeNotFound(): KeywardError {
  return new KeywardError('NOT_FOUND', 'There is nothing under this id.')
}
