import { type Command, defineTenantCommand, type TenantWork } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import { mergeConfig, type SystemConfig } from '../configs/effective-config.ts'
import { readTenantConfig } from '../configs/stored-config.ts'
import { type InputIssue, validationFailed } from '../errors/keyward-error.ts'
import type { ApiKey, Prisma } from '../generated/prisma/client.ts'
import { findUngrantableScopes } from '../scopes/grantable-scopes.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { describeKeyChange, planKeyChange, requireMayProlong, tellKeyChange } from './key-change.ts'
import { findExpiryFault } from './key-expiry.ts'
import { type KeyChanges, validateKeyChanges } from './key-rules.ts'
import { findTenantIdOfKey, lockLiveKey, refuseTakenName } from './key-store.ts'

export interface UpdateKeyInput extends KeyChanges {
  readonly id: string
  readonly expectedVersion?: number | null | undefined
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
      const plan = planKeyChange(deps.envelope, key, changes)
      const { after, fields, sealedPrivateMetadata } = plan
      requireMayProlong(work, key, plan)
      const issues = [
        ...(await findScopeIssues(work, key, changes)),
        ...(fields.includes('expiresAt') ? await findExpiryIssues(work, key, after.expiresAt, deps.systemConfig) : []),
      ]
      if (issues.length > 0) throw validationFailed(issues)

      const audit = [describeKeyChange(key, plan)] as const
      if (fields.length === 0) return { value: key, audit, events: [], invalidate: [] }
      const { id, environment } = key
      const { privateMetadata: _, ...columns } = after
      const metadata = after.metadata as Prisma.InputJsonObject
      const changed = await tx.apiKey
        .update({
          where: { tenantId_id: { tenantId, id } },
          data: { ...columns, metadata, sealedPrivateMetadata, updatedAt: now, version: { increment: 1 } },
        })
        .catch((error: unknown) => refuseTakenName(error, { name: after.name, environment }))
      return { value: changed, audit, events: [tellKeyChange(key, plan)], invalidate: [{ kind: 'key', apiKeyId: id }] }
    },
  })
}

/** Scopes that the key holds already were granted by somebody; the caller answers for those that come in addition. */
async function findScopeIssues(work: TenantWork, key: ApiKey, { scopes }: KeyChanges): Promise<readonly InputIssue[]> {
  const asked = scopes ?? []
  const added = asked.filter((scope) => !key.scopes.includes(scope))
  const issues = await findUngrantableScopes(work.tx, work, added)
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
