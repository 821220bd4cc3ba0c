import type { InputIssue } from '../errors/keyward-error.ts'
import { findLineFault } from '../lib/text-fault.ts'
import { REASON_CHARACTERS_MAX } from './key-rules.ts'
import { defineKeyStateCommand, type KeyStateInput } from './key-state-command.ts'

export interface RevokeKeyInput extends KeyStateInput {
  readonly reason: string
}

/**
 * Revoke a key for good. It is denied from the next verification on. One that is revoked already keeps who did it and why:
 * that is a conflict here, where the caller gives a reason for this one key and would be shown another.
 */
export const revokeKey = defineKeyStateCommand<RevokeKeyInput>({
  name: 'revoke-key',
  permission: 'keys:revoke',
  validate: ({ reason }) => validateRevokeReason(reason),
  findObstacle: ({ revokedAt }) => (revokedAt === null ? null : 'The key is revoked already.'),
  change: (now, author, { reason }) => ({
    revokedAt: now,
    revokedReason: reason,
    revokedByUserId: author.userId,
    revokedByKeyId: author.keyId,
  }),
  describe: (key, { reason }) => ({ type: 'api_key.revoked', data: { ...key, reason } }),
})

export function validateRevokeReason(reason: string): readonly InputIssue[] {
  const fault = findLineFault(reason, REASON_CHARACTERS_MAX)
  return fault === null ? [] : [{ path: ['input', 'reason'], detail: fault }]
}
