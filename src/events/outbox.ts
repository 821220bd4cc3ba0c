import type { Prisma } from '../generated/prisma/client.ts'
import type { DomainEvent } from './event-types.ts'

/**
 * Puts events in the outbox, in the order given and in the transaction that caused them. At most one statement, two when
 * there are secrets among them.
 */
export async function insertOutboxEvents(
  tx: Prisma.TransactionClient,
  events: readonly DomainEvent[],
  correlationId: string,
  occurredAt: Date,
  newId: () => string,
): Promise<void> {
  if (events.length === 0) return
  const named = events.map((event) => ({ ...event, id: event.id ?? newId() }))
  await tx.outboxEvent.createMany({
    data: named.map((event) => ({
      id: event.id,
      tenantId: event.tenantId,
      type: event.type,
      payload: event.data,
      occurredAt,
      correlationId,
    })),
  })
  const secrets = named.flatMap(({ id, secrets }) => (secrets === undefined ? [] : [{ eventId: id, ...secrets }]))
  if (secrets.length > 0) await tx.outboxEventSecrets.createMany({ data: secrets })
}
