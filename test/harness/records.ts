import { hashToken } from '../../src/keys/token.ts'
import type { TestApp } from './app.ts'

export interface AuditRecord {
  readonly tenant_id: string
  readonly action: string
  readonly outcome: string
  readonly actor_kind: string
  readonly actor_id: string | null
  readonly resource_type: string
  readonly resource_id: string | null
  readonly detail: Record<string, unknown>
  readonly occurred_at: Date
  readonly ip: string | null
  readonly user_agent: string | null
  readonly correlation_id: string
}

export interface OutboxRecord {
  readonly tenant_id: string
  readonly type: string
  readonly payload: Record<string, unknown>
  readonly occurred_at: Date
  readonly correlation_id: string
  readonly dispatched_at: Date | null
}

/** What the request with this id left in the audit log, in the order of its writing. */
export function findAuditRecords(app: TestApp, requestId: string): Promise<AuditRecord[]> {
  return app.query<AuditRecord>(
    `SELECT tenant_id, action, outcome, actor_kind, actor_id, resource_type, resource_id, detail, occurred_at, ip,
            user_agent, correlation_id
       FROM audit_events WHERE correlation_id = $1 ORDER BY position`,
    [requestId],
  )
}

export function findOutboxRecords(app: TestApp, requestId: string): Promise<OutboxRecord[]> {
  return app.query<OutboxRecord>(
    `SELECT tenant_id, type, payload, occurred_at, correlation_id, dispatched_at
       FROM outbox_events WHERE correlation_id = $1 ORDER BY position`,
    [requestId],
  )
}

/** Where the secrets show, in clear or as the hash that stands for them: the audit log, the outbox, the log. */
export async function findLeaks(app: TestApp, secrets: readonly string[]): Promise<string[]> {
  const rows = await app.query<{ place: string; text: string }>(
    `SELECT 'audit_events' AS place, audit_events::text AS text FROM audit_events
      UNION ALL SELECT 'outbox_events', outbox_events::text FROM outbox_events`,
  )
  const places = [...rows, ...app.logLines.map((text) => ({ place: 'log', text }))]
  const forms = secrets.flatMap((secret) => {
    const hash = Buffer.from(hashToken(secret), 'hex')
    return [secret, hash.toString('hex'), hash.toString('base64'), hash.toString('base64url')]
  })
  return places
    .filter(({ text }) => forms.some((form) => text.includes(form)))
    .map(({ place, text }) => `${place}: ${text}`)
}
