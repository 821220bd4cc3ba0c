import type { Environment } from '../../keys/environment.ts'
import { stringifyAscii } from '../../lib/ascii-json.ts'
import { createLru, type LruEntry } from '../../lib/lru.ts'
import { formatPublicId } from '../../public-id.ts'
import { compileScopeSet, type ScopeSet } from '../../scopes/scope-set.ts'
import type { AccessRules } from '../access/access-rules.ts'
import type { LimitPlan } from '../limits/limit-plan.ts'
import type { Subject } from '../limits/subject-table.ts'
import type { KeyRecord } from '../ports.ts'
import { createSigningKey, type SigningKey } from '../signature/message-authentication.ts'
import type { UsageTally } from '../usage/usage-tally.ts'
import type { CompileConfigRules } from './config-rules.ts'

/** The scope that lets a key verify other keys. */
export const VERIFY_SCOPE = 'keyward:verify'

/** Who may ask about which keys. */
export interface Verifier {
  /** The verifier's own: the id of its key. */
  readonly id: string
  /** The tenant whose keys alone it may verify; null: the keys of every tenant. */
  readonly tenantId: string | null
}

/**
 * A key as verification sees it. Everything that takes time is done when it is made, once per fill, so that a warm
 * verification only compares numbers, looks up sets and joins strings. Never changed afterwards, but for `tally` and
 * `keyLimiters`.
 */
export interface KeySnapshot {
  readonly keyId: string
  readonly tenantId: string
  readonly tenantIsPlatform: boolean
  readonly tenantSuspended: boolean
  readonly revoked: boolean
  readonly disabled: boolean
  /** First instant at which the key no longer counts; Infinity when it never expires. */
  readonly expiresAt: number
  /** First instant at which the presented secret no longer counts; Infinity when nothing replaces it. */
  readonly secretRetiresAt: number
  /** The earlier of both, so that a verification of a key that counts reads one number instead of two. */
  readonly endsAt: number
  /** Whether the presented secret waits for its first use, which this may be. */
  readonly secretPending: boolean
  readonly secretId: string
  readonly environment: Environment
  /** Null when the key may be used from everywhere, at any time, for everything. */
  readonly access: AccessRules | null
  /** Null when nothing limits the key. */
  readonly limits: LimitPlan | null
  /** Null for a key that signs no requests. */
  readonly signingKey: SigningKey | null
  readonly scopes: ScopeSet
  /** By which the tenant's imported operations are known; null when there are none. */
  readonly operationsRevision: string | null
  /** What the key may do as a verifier; null when it does not hold the scope. */
  readonly verifier: Verifier | null
  /** From the end of the request's id to the last member that names the key: `","keyId":…,"expiresAt":…`. ASCII. */
  readonly identityJson: string
  /** The member `,"rotation":{…}`. ASCII. */
  readonly rotationJson: string
  /** Where the usage recorder counts; its own, kept here because finding it elsewhere would cost more than counting. */
  tally: UsageTally | null
  /** The same for the limits. */
  keyLimiters: Subject | null
}

export type CompileSnapshot = (record: KeyRecord) => KeySnapshot

/** Keys of one tenant mostly hold one of a few sets of scopes, so sets are made once and shared. */
const SCOPE_SETS_MAX = 10_000

interface SharedScopeSet extends LruEntry {
  readonly scopes: ScopeSet
}

export function createSnapshotCompiler(compileConfigRules: CompileConfigRules): CompileSnapshot {
  const scopeSets = createLru<string, SharedScopeSet>({ entriesMax: SCOPE_SETS_MAX })

  function shareScopeSet(held: readonly string[], inactive: readonly string[]): ScopeSet {
    const content = JSON.stringify([held, inactive])
    const shared = scopeSets.get(content)
    if (shared !== undefined) return shared.scopes
    const scopes = compileScopeSet(held, inactive)
    scopeSets.set(content, { scopes, usedLately: false })
    return scopes
  }

  return (record) => {
    const held = record.scopes.filter((name) => !record.inactiveScopes.includes(name))
    const scopes = shareScopeSet(held, record.inactiveScopes)
    const { access, limits } = compileConfigRules(record)
    const expiresAt = record.expiresAt ?? Number.POSITIVE_INFINITY
    const secretRetiresAt = record.secret.retiresAt ?? Number.POSITIVE_INFINITY
    return {
      keyId: record.keyId,
      tenantId: record.tenantId,
      tenantIsPlatform: record.tenantIsPlatform,
      tenantSuspended: record.tenantSuspendedAt !== null,
      revoked: record.revokedAt !== null,
      disabled: record.disabledAt !== null,
      expiresAt,
      secretRetiresAt,
      endsAt: Math.min(expiresAt, secretRetiresAt),
      secretPending: record.secret.activatedAt === null,
      secretId: record.secret.secretId,
      environment: record.environment,
      access,
      limits,
      signingKey: record.signingSecret === null ? null : createSigningKey(record.signingSecret),
      scopes,
      operationsRevision: record.operationsRevision,
      verifier: scopes.grants(VERIFY_SCOPE)
        ? { id: record.keyId, tenantId: record.tenantIsPlatform ? null : record.tenantId }
        : null,
      identityJson: formatIdentity(record, held),
      rotationJson: formatRotation(record),
      tally: null,
      keyLimiters: null,
    }
  }
}

function formatIdentity(record: KeyRecord, heldScopes: readonly string[]): string {
  const members = stringifyAscii({
    keyId: formatPublicId('ApiKey', record.keyId),
    name: record.name,
    tenantId: formatPublicId('Tenant', record.tenantId),
    tenantSlug: record.tenantSlug,
    environment: record.environment,
    ownerId: record.ownerId,
    scopes: heldScopes,
    metadata: record.metadata,
    expiresAt: formatInstant(record.expiresAt),
  })
  return copyFlat(`",${members.slice(1, -1)}`)
}

/**
 * The same ASCII text in one piece of memory. What joining and slicing returns refers to its parts, which keeps them all
 * in memory, and has them gathered anew for every answer.
 */
function copyFlat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** Nearly all keys share this text, which then stays in the processor's cache. */
const NO_ROTATION = ',"rotation":{"pending":false,"retiringAt":null}'

function formatRotation({ rotationPending, secret }: KeyRecord): string {
  if (!rotationPending && secret.retiresAt === null) return NO_ROTATION
  return `,"rotation":${stringifyAscii({ pending: rotationPending, retiringAt: formatInstant(secret.retiresAt) })}`
}

function formatInstant(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString()
}
