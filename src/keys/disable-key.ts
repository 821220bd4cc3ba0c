import { findLineFault } from '../lib/text-fault.ts'
import { REASON_CHARACTERS_MAX } from './key-rules.ts'
import { defineKeyStateCommand, type KeyStateInput } from './key-state-command.ts'

export interface DisableKeyInput extends KeyStateInput {
  readonly reason?: string | null | undefined
}

/** Disable a key until it is enabled again. It is denied from the next verification on. */
export const disableKey = defineKeyStateCommand<DisableKeyInput>({
  name: 'disable-key',
  permission: 'keys:disable',
  validate({ reason }) {
    const fault = reason == null ? null : findLineFault(reason, REASON_CHARACTERS_MAX)
    return fault === null ? [] : [{ path: ['input', 'reason'], detail: fault }]
  },
  findObstacle({ revokedAt, disabledAt }) {
    if (revokedAt !== null) return 'The key is revoked, which is final.'
    return disabledAt === null ? null : 'The key is disabled already.'
  },
  change: (now, author, { reason }) => ({
    disabledAt: now,
    disabledReason: reason ?? null,
    disabledByUserId: author.userId,
    disabledByKeyId: author.keyId,
  }),
  describe: (key, { reason }) => ({ type: 'api_key.disabled', data: { ...key, reason: reason ?? null } }),
})
