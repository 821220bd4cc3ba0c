import type { PrismaClient, Scope } from '../generated/prisma/client.ts'
import { listGrantingNames } from './scope-set.ts'

interface HolderCount {
  readonly tenantId: string
  readonly name: string
  readonly count: number
}

/**
 * How many keys that are not revoked hold each scope, by its name or by a wildcard over it, in the order of the scopes. One
 * statement, however many scopes are asked about: the keys of their tenants are gone through once.
 */
export async function countHolders(
  find: PrismaClient,
  scopes: readonly Pick<Scope, 'tenantId' | 'name'>[],
): Promise<number[]> {
  const wanted = scopes.flatMap(({ tenantId, name }) =>
    listGrantingNames(name).map((granting) => ({ tenantId, name, granting })),
  )
  const tenantIds = wanted.map(({ tenantId }) => tenantId)
  const names = wanted.map(({ name }) => name)
  const granting = wanted.map((one) => one.granting)
  // A key that holds a name and a wildcard over it is one key.
  const counts = await find.$queryRaw<HolderCount[]>`
    SELECT wanted.tenant_id AS "tenantId", wanted.name, count(DISTINCT key.id)::int AS count
      FROM api_keys key
     CROSS JOIN unnest(key.scopes) AS held
      JOIN unnest(${tenantIds}::uuid[], ${names}::text[], ${granting}::text[]) AS wanted(tenant_id, name, granting)
        ON wanted.tenant_id = key.tenant_id AND wanted.granting = held
     WHERE key.tenant_id = ANY (${[...new Set(tenantIds)]}::uuid[]) AND key.revoked_at IS NULL
     GROUP BY wanted.tenant_id, wanted.name`
  const byScope = new Map(counts.map(({ tenantId, name, count }) => [`${tenantId} ${name}`, count]))
  return scopes.map(({ tenantId, name }) => byScope.get(`${tenantId} ${name}`) ?? 0)
}
