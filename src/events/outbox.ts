import type pg from 'pg'
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

const INSERT_ROWS = `
  INSERT INTO outbox_events (id, tenant_id, type, payload, occurred_at, correlation_id)
  SELECT id, tenant_id, type, payload, now(), $5 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[])
    WITH ORDINALITY AS event (id, tenant_id, type, payload, place)
   ORDER BY place`

/** The same for a transaction of the data plane, whose events have no secrets; they occur now. At most one statement. */
export async function insertOutboxRows(
  client: pg.ClientBase,
  events: readonly (DomainEvent & { readonly secrets?: never })[],
  correlationId: string,
  newId: () => string,
): Promise<void> {
  if (events.length === 0) return
  await client.query(INSERT_ROWS, [
    events.map(({ id }) => id ?? newId()),
    events.map(({ tenantId }) => tenantId),
    events.map(({ type }) => type),
    events.map(({ data }) => JSON.stringify(data)),
    correlationId,
  ])
}
