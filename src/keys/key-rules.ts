import type { KeyConfig } from '../configs/effective-config.ts'
import { findConfigIssues } from '../configs/plan-config-change.ts'
import { KEY_TTL_DAYS_MAX } from '../configs/validate-config.ts'
import type { InputIssue } from '../errors/keyward-error.ts'
import { findLineFault, findNameFault, findProseFault } from '../lib/text-fault.ts'
import { isScopeName } from '../scopes/scope-name.ts'
import { type CreditsInput, validateCredits } from './credit-rules.ts'
import type { Environment } from './environment.ts'

export const KEY_NAME_CHARACTERS_MAX = 100
export const KEY_DESCRIPTION_CHARACTERS_MAX = 1000
export const KEY_OWNER_ID_CHARACTERS_MAX = 200
export const KEY_SCOPES_MAX = 200
/** Of each kind. Metadata is part of every answer of `/verify`, so it is kept small. */
export const KEY_METADATA_BYTES_MAX = 4096
/** Levels of objects and lists in metadata. */
export const KEY_METADATA_LEVELS_MAX = 32
/** Why a key is disabled or revoked. */
export const REASON_CHARACTERS_MAX = 500

export type JsonObject = { readonly [key: string]: unknown }

export interface CreateKeyInput {
  readonly tenantId: string
  readonly name: string
  readonly description?: string | null | undefined
  readonly environment: Environment
  readonly scopes?: readonly string[] | null | undefined
  readonly ownerId?: string | null | undefined
  readonly expiresAt?: Date | null | undefined
  readonly ttlDays?: number | null | undefined
  readonly metadata?: unknown
  readonly privateMetadata?: unknown
  readonly config?: KeyConfig | null | undefined
  readonly credits?: CreditsInput | null | undefined
  readonly withSigningSecret?: boolean | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

/** Every fault of a new key's description that can be seen without looking anything up. */
export function validateNewKey(input: CreateKeyInput): readonly InputIssue[] {
  const issues = findFieldIssues(input)
  const ttlFault = findTtlFault(input)
  if (ttlFault !== null) issues.push({ path: ['input', 'ttlDays'], detail: ttlFault })
  return [
    ...issues,
    ...validateScopeNames(input.scopes ?? []),
    ...(input.config == null ? [] : findConfigIssues('KEY', input.config, CONFIG_PATH)),
    ...(input.credits == null ? [] : validateCredits(input.credits, ['input', 'credits'])),
  ]
}

/** Where the configuration of a new key stands in the input. */
export const CONFIG_PATH = ['input', 'config'] as const

export interface KeyChanges {
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly scopes?: readonly string[] | null | undefined
  readonly ownerId?: string | null | undefined
  readonly expiresAt?: Date | null | undefined
  readonly metadata?: unknown
  readonly privateMetadata?: unknown
}

/** Every fault of a change that can be seen without looking anything up. Absent is unchanged; null clears what can be. */
export function validateKeyChanges(changes: KeyChanges): readonly InputIssue[] {
  const { name, scopes } = changes
  const issues = findFieldIssues({ ...changes, name: name ?? undefined })
  if (name === null) issues.push({ path: ['input', 'name'], detail: 'cannot be cleared' })
  return [...issues, ...validateScopeNames(scopes ?? [])]
}

function findFieldIssues(changes: KeyChanges): InputIssue[] {
  const { name, description, ownerId, expiresAt, metadata, privateMetadata } = changes
  const faults: [field: string, fault: string | null][] = [
    ['name', name == null ? null : findNameFault(name, KEY_NAME_CHARACTERS_MAX)],
    ['description', description == null ? null : findProseFault(description, KEY_DESCRIPTION_CHARACTERS_MAX)],
    ['ownerId', ownerId == null ? null : findLineFault(ownerId, KEY_OWNER_ID_CHARACTERS_MAX)],
    // Later ones have no form of four digits for the year, which is what everybody reads and writes.
    ['expiresAt', (expiresAt?.getUTCFullYear() ?? 0) > 9999 ? 'must lie before the year 10000' : null],
    ['metadata', metadata == null ? null : findMetadataFault(metadata)],
    ['privateMetadata', privateMetadata == null ? null : findMetadataFault(privateMetadata)],
  ]
  return faults.flatMap(([field, detail]) => (detail === null ? [] : [{ path: ['input', field], detail }]))
}

function findTtlFault({ ttlDays, expiresAt }: CreateKeyInput): string | null {
  if (ttlDays == null) return null
  if (expiresAt != null) return 'cannot be given together with `expiresAt`'
  return Number.isInteger(ttlDays) && ttlDays >= 1 && ttlDays <= KEY_TTL_DAYS_MAX
    ? null
    : `must be a whole number of days from 1 to ${KEY_TTL_DAYS_MAX}`
}

function findMetadataFault(metadata: unknown): string | null {
  if (!isJsonObject(metadata)) return 'must be a JSON object'
  // Looked through first: a value that is nested a hundred thousand levels deep cannot even be written as JSON.
  const fault = findJsonFault(metadata, KEY_METADATA_LEVELS_MAX)
  if (fault !== null) return fault
  return Buffer.byteLength(JSON.stringify(metadata)) > KEY_METADATA_BYTES_MAX
    ? `must have at most ${KEY_METADATA_BYTES_MAX} bytes as JSON`
    : null
}

/** Why PostgreSQL could not keep a JSON value as it is; null when it can. */
function findJsonFault(value: unknown, levelsLeft: number): string | null {
  if (typeof value === 'string') return findProseFault(value, Number.POSITIVE_INFINITY)
  if (typeof value !== 'object' || value === null) return null
  if (levelsLeft === 0) return `must have at most ${KEY_METADATA_LEVELS_MAX} levels`
  for (const [name, below] of Object.entries(value)) {
    const fault = findProseFault(name, Number.POSITIVE_INFINITY) ?? findJsonFault(below, levelsLeft - 1)
    if (fault !== null) return fault
  }
  return null
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function validateScopeNames(scopes: readonly string[]): readonly InputIssue[] {
  if (scopes.length > KEY_SCOPES_MAX) {
    return [{ path: ['input', 'scopes'], detail: `must have at most ${KEY_SCOPES_MAX} entries` }]
  }
  return scopes.flatMap((scope, index) =>
    isScopeName(scope)
      ? []
      : [{ path: ['input', 'scopes', index], detail: 'is not a scope name such as `orders:read` or `orders:*`' }],
  )
}
