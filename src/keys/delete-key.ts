import { defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { formatPublicId } from '../public-id.ts'
import { deriveKeyStatus } from './key-status.ts'
import { deleteKeyRow, findTenantIdOfKey, lockKey } from './key-store.ts'

export interface DeleteKeyInput {
  readonly id: string
  /** The name of the key, so that a slip of the mouse deletes nothing. */
  readonly confirmName: string
  readonly expectedVersion?: number | null | undefined
}

/**
 * Delete a key for good, in whatever state it is. Its tokens are nobody's from the next verification on; what the log says
 * of it and what was counted for it stays. Answers with the id that the key had.
 */
export const deleteKey = defineTenantCommand<DeleteKeyInput, string>({
  name: 'delete-key',
  permission: 'keys:delete',
  tenantOf: ({ id }, find) => findTenantIdOfKey(find, id),
  async execute({ tx, now, tenantId }, { id: givenId, confirmName, expectedVersion }) {
    const key = await lockKey(tx, tenantId, givenId)
    if (key === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
    if (normalizeName(confirmName) !== key.name) {
      throw validationFailed([{ path: ['confirmName'], detail: 'must be the name of the key' }])
    }
    requireVersion(key.version, expectedVersion, ['expectedVersion'])
    const { id, name, environment } = key
    await deleteKeyRow(tx, tenantId, id)

    const apiKeyId = formatPublicId('ApiKey', id)
    return {
      value: apiKeyId,
      audit: [
        {
          tenantId,
          action: 'api_key.deleted',
          outcome: 'SUCCESS',
          resource: { type: 'ApiKey', id: apiKeyId },
          detail: {
            before: { name, environment, status: deriveKeyStatus(key, now), scopes: key.scopes, ownerId: key.ownerId },
          },
        },
      ],
      events: [{ type: 'api_key.deleted', tenantId, data: { apiKeyId, name, environment } }],
      invalidate: [{ kind: 'key', apiKeyId: id }],
    }
  },
})
