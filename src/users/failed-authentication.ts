import type { DomainEvent, EventData } from '../events/event-types.ts'

/** The event of somebody who failed to show who they are. `userId` is the public id, of whom they claimed to be. */
export function describeFailure(
  tenantId: string,
  method: EventData<'auth.failed'>['method'],
  userId: string | null,
  ip: string | null,
): DomainEvent {
  return { type: 'auth.failed', tenantId, data: { method, userId, ip } }
}
