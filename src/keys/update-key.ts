import { isDeepStrictEqual } from 'node:util'
import type { AuditDetail } from '../audit/audit-entry.ts'
import { type Command, defineTenantCommand, type TenantWork } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import { mergeConfig, type SystemConfig } from '../configs/effective-config.ts'
import { readTenantConfig } from '../configs/stored-config.ts'
import { type InputIssue, validationFailed } from '../errors/keyward-error.ts'
import type { ApiKey, Prisma } from '../generated/prisma/client.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { formatPublicId } from '../public-id.ts'
import { findUngrantableScopes } from '../scopes/grantable-scopes.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { findExpiryFault } from './key-expiry.ts'
import { type JsonObject, type KeyChanges, validateKeyChanges } from './key-rules.ts'
import { findTenantIdOfKey, lockLiveKey, refuseTakenName } from './key-store.ts'
import { openPrivateMetadata, sealPrivateMetadata } from './private-metadata.ts'

export interface UpdateKeyInput extends KeyChanges {
  readonly id: string
  readonly expectedVersion?: number | null | undefined
}

/** A key as changes see it, private metadata in clear. */
type Described = Pick<ApiKey, 'name' | 'description' | 'scopes' | 'ownerId' | 'expiresAt' | 'metadata'> & {
  readonly privateMetadata: JsonObject
}

export interface UpdateKeyDeps {
  readonly envelope: Envelope
  readonly systemConfig: SystemConfig
}

/**
 * Change what a key is called, what it may do and until when. A later expiry brings an expired key back; nothing
 * brings a revoked one back. A call that changes nothing is recorded, and nobody else is told.
 */
export function updateKeyCommand(deps: UpdateKeyDeps): Command<UpdateKeyInput, ApiKey> {
  return defineTenantCommand<UpdateKeyInput, ApiKey>({
    name: 'update-key',
    permission: 'keys:update',
    tenantOf: ({ id }, find) => findTenantIdOfKey(find, id),
    validate: validateKeyChanges,
    async execute(work, { id: publicId, expectedVersion, ...changes }) {
      const { tx, now, tenantId } = work
      const key = await lockLiveKey(tx, tenantId, publicId)
      requireVersion(key.version, expectedVersion)
      const before = describe(deps.envelope, key)
      const after = { ...before, ...settle(changes) }
      const fields = FIELDS.filter((field) => !isDeepStrictEqual(before[field], after[field]))
      const issues = [
        ...(await findScopeIssues(work, key, changes)),
        ...(fields.includes('expiresAt') ? await findExpiryIssues(work, key, after.expiresAt, deps.systemConfig) : []),
      ]
      if (issues.length > 0) throw validationFailed(issues)

      const { id } = key
      const { name } = after
      const { environment } = key
      const { privateMetadata, metadata, ...columns } = after
      const data = {
        ...columns,
        metadata: metadata as Prisma.InputJsonObject,
        ...(fields.includes('privateMetadata') && {
          sealedPrivateMetadata: sealPrivateMetadata(deps.envelope, id, privateMetadata),
        }),
      }
      const hasChanged = fields.length > 0
      return {
        value: hasChanged
          ? await tx.apiKey
              .update({
                where: { tenantId_id: { tenantId, id } },
                data: { ...data, updatedAt: now, version: { increment: 1 } },
              })
              .catch((error: unknown) => refuseTakenName(error, { name, environment }))
          : key,
        audit: [
          {
            tenantId,
            action: 'api_key.updated',
            outcome: 'SUCCESS',
            resource: { type: 'ApiKey', id: publicId },
            detail: { before: pick(before, fields), after: pick(after, fields) },
          },
        ],
        events: hasChanged
          ? [
              {
                type: 'api_key.updated',
                tenantId,
                data: { apiKeyId: formatPublicId('ApiKey', id), name, environment, fields },
              },
            ]
          : [],
        invalidate: hasChanged ? [{ kind: 'key', apiKeyId: id }] : [],
      }
    },
  })
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

/** Scopes that the key holds already were granted by somebody; the caller answers for those that come in addition. */
async function findScopeIssues(
  { tx, actor, tenantId }: TenantWork,
  key: ApiKey,
  { scopes }: KeyChanges,
): Promise<readonly InputIssue[]> {
  const asked = scopes ?? []
  const added = asked.filter((scope) => !key.scopes.includes(scope))
  const issues = await findUngrantableScopes(tx, { actor, tenantId, scopes: added })
  return issues.map(({ path, detail }) => {
    const scope = added[Number(path.at(-1))] ?? ''
    return { path: ['input', 'scopes', asked.indexOf(scope)], detail }
  })
}

async function findExpiryIssues(
  { tx, now, tenantId }: TenantWork,
  key: ApiKey,
  expiresAt: Date | null,
  systemConfig: SystemConfig,
): Promise<readonly InputIssue[]> {
  const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { config: true } })
  const maxDays = mergeConfig({}, readTenantConfig(tenant.config), systemConfig).keyTtlDaysMax.value
  const fault = findExpiryFault(expiresAt, key.createdAt, now, maxDays)
  return fault === null ? [] : [{ path: ['input', 'expiresAt'], detail: fault }]
}

/** Of what is private the log holds that it changed, not what it said. */
function pick(described: Described, fields: readonly (keyof Described)[]): AuditDetail {
  const shown = { ...described, privateMetadata: '(sealed)' }
  return JSON.parse(JSON.stringify(Object.fromEntries(fields.map((field) => [field, shown[field]]))))
}
