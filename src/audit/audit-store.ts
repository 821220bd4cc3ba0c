import type { Actor } from '../actors/actor.ts'
import type { Caller } from '../actors/caller.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import type { ActorKind } from '../generated/prisma/enums.ts'
import type { AuditEntry } from './audit-entry.ts'

/** How an actor stands in tables. */
export function describeActor(actor: Actor): { actorKind: ActorKind; actorId: string | null } {
  switch (actor.kind) {
    case 'user':
      return { actorKind: 'USER', actorId: actor.userId }
    case 'apiKey':
      return { actorKind: 'API_KEY', actorId: actor.apiKeyId }
    case 'system':
      return { actorKind: 'SYSTEM', actorId: null }
    case 'anonymous':
      return { actorKind: 'ANONYMOUS', actorId: null }
  }
}

/** Longest user agent that is kept; what a client sends beyond that says nothing more of who it is. */
const USER_AGENT_CHARS_MAX = 512

/** Appends events, unsealed, to the log, in the order given and in the transaction that caused them. At most one statement. */
export async function insertAuditEvents(
  tx: Prisma.TransactionClient,
  caller: Caller,
  entries: readonly AuditEntry[],
  occurredAt: Date,
  newId: () => string,
): Promise<void> {
  if (entries.length === 0) return
  await tx.auditEvent.createMany({
    data: entries.map((entry) => ({
      id: newId(),
      tenantId: entry.tenantId,
      action: entry.action,
      outcome: entry.outcome,
      ...describeActor(caller.actor),
      resourceType: entry.resource.type,
      resourceId: entry.resource.id,
      detail: entry.detail as Prisma.InputJsonObject,
      occurredAt,
      ip: caller.origin.ip,
      userAgent: caller.origin.userAgent?.slice(0, USER_AGENT_CHARS_MAX) ?? null,
      correlationId: caller.origin.correlationId,
    })),
  })
}
