import { type Command, defineCommand } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { formatPublicId } from '../public-id.ts'

/** Log out: no token of the caller's session counts from now on. One that another request ended meanwhile is NOT_FOUND. */
export function endSessionCommand(deps: {
  platformTenantId: () => string
}): Command<Record<never, never>, { ended: true }> {
  return defineCommand({
    name: 'end-session',
    access: () => ({ kind: 'user' }),
    validate: () => [],
    async execute({ tx, now, actor }) {
      if (actor.kind !== 'user') throw new KeywardError('FORBIDDEN', 'Only a person has a session to end.')
      const { count } = await tx.session.updateMany({
        where: { id: actor.sessionId, endedAt: null },
        data: { endedAt: now },
      })
      if (count === 0) throw new KeywardError('NOT_FOUND', 'The session has ended already.')
      const [homeTenantId] = actor.roles.keys()
      return {
        value: { ended: true },
        audit: [
          {
            tenantId: homeTenantId ?? deps.platformTenantId(),
            action: 'session.ended',
            outcome: 'SUCCESS',
            resource: { type: 'Session', id: formatPublicId('Session', actor.sessionId) },
            detail: {},
          },
        ],
        events: [],
        invalidate: [],
      }
    },
  })
}
