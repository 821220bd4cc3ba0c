import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma, PrismaClient, Scope } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { CATALOGUE_SCOPES_MAX } from './scope-rules.ts'
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

/**
 * How many scopes a catalogue can take in. Nobody waits for anybody, so those that come in at the same moment can lead beyond
 * the limit by what one of them brings. One statement.
 */
export async function countRoom(tx: Prisma.TransactionClient, tenantId: string): Promise<number> {
  return CATALOGUE_SCOPES_MAX - (await tx.scope.count({ where: { tenantId } }))
}

export function catalogueFull(): KeywardError {
  return new KeywardError(
    'CONFLICT',
    `A catalogue holds at most ${CATALOGUE_SCOPES_MAX} scopes: delete some that no key needs.`,
  )
}

export interface ListedScopes {
  readonly rows: readonly Pick<Scope, 'name' | 'description' | 'category' | 'active'>[]
  readonly hasMore: boolean
}

/**
 * Scopes in the order of their names, after the name that is given. It ends where it would have more rows, or more bytes of
 * JSON, than are wanted; the largest scope must fit. One statement.
 */
export async function listScopes(
  tx: Prisma.TransactionClient,
  tenantId: string,
  { after, rowsMax, bytesMax }: { after: string | null; rowsMax: number; bytesMax: number },
): Promise<ListedScopes> {
  // PostgreSQL writes JSON with blanks, so that it counts a little too much.
  const found = await tx.$queryRaw<(ListedScopes['rows'][number] & { found: number })[]>`
    WITH page AS (
      SELECT name, description, category, active,
             sum(octet_length(json_build_object('name', name, 'description', description, 'category', category,
                                                'active', active)::text)) OVER (ORDER BY name) AS bytes
        FROM scopes WHERE tenant_id = ${tenantId}::uuid AND name > ${after ?? ''} ORDER BY name LIMIT ${rowsMax + 1})
    SELECT name, description, category, active, (SELECT count(*)::int FROM page) AS found
      FROM page WHERE bytes <= ${bytesMax} ORDER BY name LIMIT ${rowsMax}`
  const rows = found.map(({ name, description, category, active }) => ({ name, description, category, active }))
  return { rows, hasMore: rows.length < (found[0]?.found ?? 0) }
}

function scopeNotFound(): KeywardError {
  return new KeywardError('NOT_FOUND', 'There is nothing under this id.')
}
