import { defineKeyStateCommand } from './key-state-command.ts'

/** Disable a key until it is enabled again. It is denied from the next verification on. */
export const disableKey = defineKeyStateCommand({
  name: 'disable-key',
  permission: 'keys:disable',
  findObstacle({ revokedAt, disabledAt }) {
    if (revokedAt !== null) return 'The key is revoked, which is final.'
    return disabledAt === null ? null : 'The key is disabled already.'
  },
  change: (now) => ({ disabledAt: now }),
  describe: (key) => ({ type: 'api_key.disabled', data: key }),
})
