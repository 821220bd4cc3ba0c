import type { Actor } from '../actors/actor.ts'
import { PERMISSION_NAMES, permissionScope } from '../actors/permissions.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { compileScopeSet } from '../scopes/scope-set.ts'
import { toUserActor } from './user-store.ts'

/** Who made something that counts for as long as they may make it. Both null for Keyward itself. */
export interface Issuer {
  readonly userId: string | null
  readonly keyId: string | null
}

export function toIssuer(actor: Actor): Issuer {
  return {
    userId: actor.kind === 'user' ? actor.userId : null,
    keyId: actor.kind === 'apiKey' ? actor.apiKeyId : null,
  }
}

/** The issuer with what it may do now; null for one that is gone, revoked, disabled or expired. At most one statement. */
export async function findIssuer(
  tx: Prisma.TransactionClient,
  { userId, keyId }: Issuer,
  now: Date,
): Promise<Actor | null> {
  const tenant = { select: { isPlatform: true } } as const
  if (userId !== null) {
    const select = { tenantId: true, role: true, tenant } as const
    return toUserActor(userId, '', await tx.membership.findMany({ where: { userId }, select }))
  }
  if (keyId === null) return null
  const key = await tx.apiKey.findUnique({ where: { id: keyId }, include: { tenant } })
  if (key === null || key.revokedAt !== null || key.disabledAt !== null) return null
  if (key.expiresAt !== null && key.expiresAt <= now) return null
  const scopes = compileScopeSet(key.scopes, [])
  return {
    kind: 'apiKey',
    apiKeyId: key.id,
    tenantId: key.tenantId,
    isPlatform: key.tenant.isPlatform,
    permissions: new Set(PERMISSION_NAMES.filter((permission) => scopes.grants(permissionScope(permission)))),
  }
}
