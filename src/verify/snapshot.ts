import type { Environment } from '../keys/environment.ts'
import { formatPublicId } from '../public-id.ts'
import { compileScopeSet, type ScopeSet } from '../scopes/scope-set.ts'
import type { KeyRecord } from './ports.ts'

/** The scope that lets a key verify other keys. */
export const VERIFY_SCOPE = 'keyward:verify'

/** Who may ask about which keys. */
export interface Verifier {
  /** The tenant whose keys alone it may verify; null: the keys of every tenant. */
  readonly tenantId: string | null
}

/**
 * A key as verification sees it. Everything that takes time is done here, once per fill, so that a warm verification
 * only compares numbers, looks up sets and joins strings. Never changed after it was made.
 */
export interface KeySnapshot {
  readonly keyId: string
  readonly tenantId: string
  readonly tenantSuspended: boolean
  readonly revoked: boolean
  readonly disabled: boolean
  /** First instant at which the key no longer counts; Infinity when it never expires. */
  readonly expiresAt: number
  /** First instant at which the presented secret no longer counts; Infinity when nothing replaces it. */
  readonly secretRetiresAt: number
  readonly environment: Environment
  readonly scopes: ScopeSet
  /** What the key may do as a verifier; null when it does not hold the scope. */
  readonly verifier: Verifier | null
  /** The members of the answer that name the key: `"keyId":…,…,"expiresAt":…`, without braces. */
  readonly identityJson: string
  /** The member `"rotation":{…}`. */
  readonly rotationJson: string
}

export function compileSnapshot(record: KeyRecord): KeySnapshot {
  const scopes = compileScopeSet(record.scopes, record.inactiveScopes)
  return {
    keyId: record.keyId,
    tenantId: record.tenantId,
    tenantSuspended: record.tenantSuspendedAt !== null,
    revoked: record.revokedAt !== null,
    disabled: record.disabledAt !== null,
    expiresAt: record.expiresAt ?? Number.POSITIVE_INFINITY,
    secretRetiresAt: record.secret.retiresAt ?? Number.POSITIVE_INFINITY,
    environment: record.environment,
    scopes,
    verifier: scopes.grants(VERIFY_SCOPE) ? { tenantId: record.tenantIsPlatform ? null : record.tenantId } : null,
    identityJson: formatMembers({
      keyId: formatPublicId('ApiKey', record.keyId),
      name: record.name,
      tenantId: formatPublicId('Tenant', record.tenantId),
      tenantSlug: record.tenantSlug,
      environment: record.environment,
      ownerId: record.ownerId,
      scopes: record.scopes.filter((name) => !record.inactiveScopes.includes(name)),
      metadata: record.metadata,
      expiresAt: formatInstant(record.expiresAt),
    }),
    rotationJson: formatMembers({
      rotation: { pending: record.rotationPending, retiringAt: formatInstant(record.secret.retiresAt) },
    }),
  }
}

function formatInstant(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString()
}

function formatMembers(members: Record<string, unknown>): string {
  return JSON.stringify(members).slice(1, -1)
}
