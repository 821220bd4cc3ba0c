import { defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { findTenantIdOfKey, lockLiveKey } from '../keys/key-store.ts'
import { formatPublicId } from '../public-id.ts'
import { requireGrantable } from '../scopes/grantable-scopes.ts'
import type { KeyConfig } from './effective-config.ts'
import { findConfigIssues, planConfigChange } from './plan-config-change.ts'
import { readKeyConfig } from './stored-config.ts'

export interface SetKeyConfigInput {
  readonly id: string
  readonly change: KeyConfig
  readonly expectedVersion?: number | null | undefined
}

/**
 * Set what a key decides for itself. It counts from the next verification on. A call that changes nothing is recorded,
 * and nobody else is told. The rules of a key that holds permissions are changed by who holds them: they may be all that
 * keeps the wrong people from using it.
 */
export const setKeyConfig = defineTenantCommand<SetKeyConfigInput, ApiKey>({
  name: 'set-key-config',
  permission: 'configs:write',
  tenantOf: ({ id }, find) => findTenantIdOfKey(find, id),
  validate: ({ change }) => findConfigIssues('KEY', change),
  async execute(work, { id, change, expectedVersion }) {
    const { tx, now, tenantId } = work
    const key = await lockLiveKey(tx, tenantId, id)
    requireVersion(key.version, expectedVersion)
    const { config, fields, before, after } = planConfigChange('KEY', readKeyConfig(key.config), change)
    const hasChanged = fields.length > 0
    if (hasChanged) requireGrantable(work, key.scopes)
    const publicId = formatPublicId('ApiKey', key.id)
    const { name, environment } = key
    return {
      value: hasChanged
        ? await tx.apiKey.update({
            where: { tenantId_id: { tenantId, id: key.id } },
            data: { config, updatedAt: now, version: { increment: 1 } },
          })
        : key,
      audit: [
        {
          tenantId,
          action: 'api_key.config_changed',
          outcome: 'SUCCESS',
          resource: { type: 'ApiKey', id: publicId },
          detail: { before, after },
        },
      ],
      events: hasChanged
        ? [
            {
              type: 'api_key.config_changed',
              tenantId,
              data: { apiKeyId: publicId, name, environment, fields: [...fields] },
            },
          ]
        : [],
      invalidate: hasChanged ? [{ kind: 'key', apiKeyId: key.id }] : [],
    }
  },
})
