import type { BulkResult, BulkRow } from '../commands/bulk-result.ts'
import { defineTenantCommand } from '../commands/command.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { BULK_KEYS_MAX, failRow, keyNotFound, recordRejected } from './bulk-rows.ts'
import { lockKeys } from './bulk-store.ts'
import { authorOf } from './key-author.ts'
import { keyEventData, recordKeyStates } from './key-state-command.ts'
import { validateRevokeReason } from './revoke-key.ts'

export interface RevokeKeysInput {
  readonly tenantId: string
  readonly ids: readonly string[]
  readonly reason: string
}

const NAME = 'revoke-keys'
const PERMISSION = 'keys:revoke'

/** Revoke many keys for good. One that is revoked already is skipped, so that a call can be sent again. */
export const revokeKeys = defineTenantCommand<RevokeKeysInput, BulkResult>({
  name: NAME,
  permission: PERMISSION,
  tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
  validate: ({ ids, reason }) => [
    ...(ids.length > 0 && ids.length <= BULK_KEYS_MAX
      ? []
      : [{ path: ['input', 'ids'], detail: `must have 1 to ${BULK_KEYS_MAX} entries` }]),
    ...validateRevokeReason(reason),
  ],
  async execute(work, { ids: publicIds, reason }) {
    const { tx, tenantId, now, actor } = work
    const ids = publicIds.map((id) => parsePublicIdOf('ApiKey', id))
    const keys = await lockKeys(
      tx,
      tenantId,
      ids.filter((id) => id !== null),
    )
    const doomed = new Map<string, ApiKey>()
    const rows = publicIds.map((publicId, index): BulkRow => {
      const key = keys.get(ids[index] ?? '')
      if (key === undefined) return failRow(index, keyNotFound(), ['input', 'ids', index])
      const isOver = key.revokedAt !== null || doomed.has(key.id)
      if (!isOver) doomed.set(key.id, key)
      return { index, status: isOver ? 'SKIPPED' : 'UPDATED', id: publicId, error: null }
    })
    const rejected = recordRejected(work, NAME, PERMISSION, rows)
    const [first, ...rest] = doomed.values()
    if (first === undefined) return { unchanged: { rows }, audit: rejected }

    const author = authorOf(actor)
    const columns = {
      revokedAt: now,
      revokedReason: reason,
      revokedByUserId: author.userId,
      revokedByKeyId: author.keyId,
    }
    await tx.apiKey.updateMany({
      where: { tenantId, id: { in: [...doomed.keys()] } },
      data: { ...columns, updatedAt: now, version: { increment: 1 } },
    })
    const change = (before: ApiKey) => ({
      before,
      after: { ...before, ...columns },
      event: { type: 'api_key.revoked' as const, data: { ...keyEventData(before), reason } },
    })
    const { audit, events, invalidate } = recordKeyStates(tenantId, now, [change(first), ...rest.map(change)])
    return { value: { rows }, audit: [...audit, ...rejected], events, invalidate }
  },
})
