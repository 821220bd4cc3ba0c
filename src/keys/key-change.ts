import { isDeepStrictEqual } from 'node:util'
import type { AuditDetail, AuditEntry } from '../audit/audit-entry.ts'
import type { DomainEvent } from '../events/event-types.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { formatPublicId } from '../public-id.ts'
import { type Grant, requireGrantable } from '../scopes/grantable-scopes.ts'
import type { Envelope } from '../secrets/envelope.ts'
import type { JsonObject, KeyChanges } from './key-rules.ts'
import { openPrivateMetadata, sealPrivateMetadata } from './private-metadata.ts'

/** A key as changes see it, private metadata in clear. */
export type Described = Pick<ApiKey, 'name' | 'description' | 'scopes' | 'ownerId' | 'expiresAt' | 'metadata'> & {
  readonly privateMetadata: JsonObject
}

const FIELDS: (keyof Described)[] = [
  'name',
  'description',
  'scopes',
  'ownerId',
  'expiresAt',
  'metadata',
  'privateMetadata',
]

/** What a change makes of a key. */
export interface KeyChangePlan {
  readonly before: Described
  readonly after: Described
  /** Those that differ. */
  readonly fields: readonly (keyof Described)[]
  readonly sealedPrivateMetadata: Uint8Array<ArrayBuffer> | null
}

export function planKeyChange(envelope: Envelope, key: ApiKey, changes: KeyChanges): KeyChangePlan {
  const before = describe(envelope, key)
  const after = { ...before, ...settle(changes) }
  const fields = FIELDS.filter((field) => !isDeepStrictEqual(before[field], after[field]))
  const sealedPrivateMetadata = fields.includes('privateMetadata')
    ? sealPrivateMetadata(envelope, key.id, after.privateMetadata)
    : key.sealedPrivateMetadata
  return { before, after, fields, sealedPrivateMetadata }
}

/**
 * Throws FORBIDDEN when a key is to live longer that may do more than the actor: whoever has a token that has run out would
 * be given all that the key holds.
 */
export function requireMayProlong(grant: Grant, key: ApiKey, { after }: KeyChangePlan): void {
  if (key.expiresAt === null) return
  if (after.expiresAt === null || after.expiresAt > key.expiresAt) requireGrantable(grant, after.scopes)
}

/** What is recorded of a change, also of one that came to nothing. */
export function describeKeyChange(key: ApiKey, { before, after, fields }: KeyChangePlan): AuditEntry {
  return {
    tenantId: key.tenantId,
    action: 'api_key.updated',
    outcome: 'SUCCESS',
    resource: { type: 'ApiKey', id: formatPublicId('ApiKey', key.id) },
    detail: { before: pick(before, fields), after: pick(after, fields) },
  }
}

/** What others are told of a change. */
export function tellKeyChange(key: ApiKey, { after, fields }: KeyChangePlan): DomainEvent {
  const { tenantId, environment } = key
  const data = { apiKeyId: formatPublicId('ApiKey', key.id), name: after.name, environment, fields: [...fields] }
  return { type: 'api_key.updated', tenantId, data }
}

function describe(envelope: Envelope, key: ApiKey): Described {
  const { name, description, scopes, ownerId, expiresAt, metadata } = key
  const privateMetadata = openPrivateMetadata(envelope, key.id, key.sealedPrivateMetadata)
  return { name, description, scopes, ownerId, expiresAt, metadata, privateMetadata }
}

/** What the changes make of the fields they name: null takes away what a field holds. */
function settle(changes: KeyChanges): Partial<Described> {
  const { name, description, scopes, ownerId, expiresAt, metadata, privateMetadata } = changes
  return {
    ...(name != null && { name: normalizeName(name) }),
    ...(description !== undefined && { description }),
    ...(scopes !== undefined && { scopes: [...new Set(scopes ?? [])] }),
    ...(ownerId !== undefined && { ownerId }),
    ...(expiresAt !== undefined && { expiresAt }),
    // Plain, so that it can be compared with what the database returns.
    ...(metadata !== undefined && { metadata: JSON.parse(JSON.stringify(metadata ?? {})) }),
    ...(privateMetadata !== undefined && { privateMetadata: JSON.parse(JSON.stringify(privateMetadata ?? {})) }),
  }
}

/** Of what is private the log holds that it changed, not what it said. */
function pick(described: Described, fields: readonly (keyof Described)[]): AuditDetail {
  const shown = { ...described, privateMetadata: '(sealed)' }
  return JSON.parse(JSON.stringify(Object.fromEntries(fields.map((field) => [field, shown[field]]))))
}
