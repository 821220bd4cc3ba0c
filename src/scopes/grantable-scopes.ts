import { type Actor, authorize, holdsPlatformPermission } from '../actors/actor.ts'
import { type Permission, permissionsOfScope } from '../actors/permissions.ts'
import { type InputIssue, KeywardError } from '../errors/keyward-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { isReservedScope, wildcardPrefixOf } from './scope-name.ts'

/** Who gives, and whose keys are to receive. */
export interface Grant {
  readonly actor: Actor
  readonly tenantId: string
  readonly platformTenantId: string
}

/**
 * The faults of a list of scopes that a key is to hold: each must be in the tenant's catalogue, or a wildcard over
 * something that is, or stand for permissions. At most two statements. Throws FORBIDDEN for a permission that the actor
 * does not hold: nobody can grant what they do not have.
 */
export async function findUngrantableScopes(
  tx: Prisma.TransactionClient,
  grant: Grant,
  scopes: readonly string[],
): Promise<readonly InputIssue[]> {
  const catalogue = await findCatalogueNames(tx, grant.tenantId, scopes)
  return scopes.flatMap((scope, index) => {
    const detail = isReservedScope(scope) ? requirePermissions(grant, scope) : findGap(catalogue, scope)
    return detail === null ? [] : [{ path: ['input', 'scopes', index], detail }]
  })
}

export interface ScopeFault {
  readonly code: 'VALIDATION_FAILED' | 'FORBIDDEN'
  readonly detail: string
}

/** The same for the scopes of many keys at once, by scope, and without throwing. At most two statements. */
export async function findScopeFaults(
  tx: Prisma.TransactionClient,
  grant: Grant,
  scopes: readonly string[],
): Promise<ReadonlyMap<string, ScopeFault>> {
  const asked = [...new Set(scopes)]
  const catalogue = await findCatalogueNames(tx, grant.tenantId, asked)
  const faults = new Map<string, ScopeFault>()
  for (const scope of asked) {
    const fault = isReservedScope(scope) ? findGrantFault(grant, scope) : toFault(findGap(catalogue, scope))
    if (fault !== null) faults.set(scope, fault)
  }
  return faults
}

/**
 * Throws FORBIDDEN when some of the scopes stand for a permission that the actor does not hold: who receives the token of
 * a key receives what it may do.
 */
export function requireGrantable(grant: Grant, scopes: readonly string[]): void {
  for (const scope of scopes) if (isReservedScope(scope)) requirePermissions(grant, scope)
}

function requirePermissions(grant: Grant, scope: string): string | null {
  const fault = findGrantFault(grant, scope)
  if (fault?.code === 'FORBIDDEN') throw new KeywardError('FORBIDDEN', fault.detail)
  return fault?.detail ?? null
}

function findGrantFault(grant: Grant, scope: string): ScopeFault | null {
  const permissions = permissionsOfScope(scope)
  const missing = permissions.find((permission) => !mayGrant(grant, permission))
  if (missing !== undefined) {
    return { code: 'FORBIDDEN', detail: `Granting \`${scope}\` needs the permission \`${missing}\`.` }
  }
  return toFault(permissions.length === 0 ? `\`${scope}\` stands for no permission` : null)
}

function toFault(detail: string | null): ScopeFault | null {
  return detail === null ? null : { code: 'VALIDATION_FAILED', detail }
}

/** What a key of the platform holds, it holds in every tenant: to be a member there, with a role, is not enough. */
function mayGrant({ actor, tenantId, platformTenantId }: Grant, permission: Permission): boolean {
  if (tenantId === platformTenantId) return holdsPlatformPermission(actor, permission)
  return authorize(actor, permission, tenantId) === 'allowed'
}

function findGap(catalogue: ReadonlySet<string>, scope: string): string | null {
  if (catalogue.has(scope)) return null
  const prefix = wildcardPrefixOf(scope)
  if (prefix === undefined) return `the tenant's catalogue has no scope \`${scope}\``
  const covered = catalogue.values().some((name) => name.startsWith(prefix))
  return covered ? null : `the tenant's catalogue has no scope that \`${scope}\` would stand for`
}

/**
 * The names of the catalogue that are asked for. They stay there until the transaction ends: whoever deletes one waits,
 * and then finds the key that holds it.
 */
async function findCatalogueNames(
  tx: Prisma.TransactionClient,
  tenantId: string,
  scopes: readonly string[],
): Promise<ReadonlySet<string>> {
  const asked = scopes.filter((scope) => !isReservedScope(scope))
  if (asked.length === 0) return new Set()
  const rows = await tx.$queryRaw<{ name: string }[]>`
    SELECT name FROM scopes WHERE tenant_id = ${tenantId}::uuid AND name = ANY(${asked}) ORDER BY name FOR KEY SHARE`
  const names = new Set(rows.map(({ name }) => name))
  const prefixes = asked.flatMap((scope) => (names.has(scope) ? [] : (wildcardPrefixOf(scope) ?? [])))
  if (prefixes.length === 0) return names
  const covered = await tx.$queryRaw<{ name: string }[]>`
    SELECT (SELECT name FROM scopes WHERE tenant_id = ${tenantId}::uuid AND starts_with(name, prefix) LIMIT 1) AS name
      FROM unnest(${prefixes}::text[]) AS prefix`
  return new Set([...names, ...covered.flatMap(({ name }) => name ?? [])])
}
