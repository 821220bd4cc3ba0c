import type { Prisma } from '../generated/prisma/client.ts'
import type { DomainEvent } from './event-types.ts'

/** Puts events in the outbox, in the order given and in the transaction that caused them. At most one statement. */
export async function insertOutboxEvents(
  tx: Prisma.TransactionClient,
  events: readonly DomainEvent[],
  correlationId: string,
  occurredAt: Date,
  newId: () => string,
): Promise<void> {
  if (events.length === 0) return
  await tx.outboxEvent.createMany({
    data: events.map((event) => ({
      id: newId(),
      tenantId: event.tenantId,
      type: event.type,
      payload: event.data,
      occurredAt,
      correlationId,
    })),
  })
}
