import { defineCommand } from '../commands/command.ts'
import type { User } from '../generated/prisma/client.ts'
import { endSessionsOf, lockAccount } from './account-store.ts'

export interface EndedUserSessions {
  readonly user: User
  readonly endedCount: number
}

/**
 * End every session of a person, as an operator does who hears of a lost laptop. It takes nothing away that a login does not
 * give back, so whoever may do it may do it to everybody.
 */
export const endUserSessions = defineCommand<{ readonly id: string }, EndedUserSessions>({
  name: 'end-user-sessions',
  access: () => ({ kind: 'platform', permission: 'users:write' }),
  validate: () => [],
  async execute({ tx, now, platformTenantId: tenantId }, { id: publicId }) {
    const { user } = await lockAccount(tx, publicId)
    const endedCount = await endSessionsOf(tx, user.id, now)
    return {
      value: { user, endedCount },
      audit: [
        {
          tenantId,
          action: 'user.sessions_ended',
          outcome: 'SUCCESS',
          resource: { type: 'User', id: publicId },
          detail: { endedCount },
        },
      ],
      events: [{ type: 'user.sessions_ended', tenantId, data: { userId: publicId, endedCount } }],
      invalidate: [],
    }
  },
})
