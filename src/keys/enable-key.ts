import { defineKeyStateCommand } from './key-state-command.ts'

/**
 * Enable a disabled key. What is revoked stays revoked, and what has expired stays expired. A key that holds permissions is
 * enabled by who holds them: somebody may have disabled it because the wrong people have its token.
 */
export const enableKey = defineKeyStateCommand({
  name: 'enable-key',
  permission: 'keys:disable',
  findObstacle({ revokedAt, disabledAt }) {
    if (revokedAt !== null) return 'The key is revoked, which is final.'
    return disabledAt === null ? 'The key is not disabled.' : null
  },
  revives: true,
  change: () => ({ disabledAt: null, disabledReason: null, disabledByUserId: null, disabledByKeyId: null }),
  describe: (key) => ({ type: 'api_key.enabled', data: key }),
})
