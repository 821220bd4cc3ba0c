import { EVENT_TYPES, type EventType } from '../../src/events/event-types.ts'
import { parsePublicIdOf } from '../../src/public-id.ts'
import type { TestApp } from './app.ts'
import type { GraphQLAnswer } from './client.ts'

export interface Records {
  readonly audit: readonly {
    readonly action: string
    readonly outcome: string
    readonly actorKind: string
    readonly resourceId: string | null
    readonly detail: Record<string, unknown>
  }[]
  readonly events: readonly { readonly type: string; readonly payload: Record<string, unknown> }[]
}

/** What the log and the outbox say of a tenant, oldest first. Each event is held against the table of events. */
export async function readRecords(app: TestApp, tenantId: string): Promise<Records> {
  const uuid = parsePublicIdOf('Tenant', tenantId)
  const audit = await app.query<Records['audit'][number]>(
    `SELECT action, outcome::text, actor_kind::text AS "actorKind", resource_id AS "resourceId", detail
       FROM audit_events WHERE tenant_id = $1 ORDER BY transaction_id, position`,
    [uuid],
  )
  const events = await app.query<Records['events'][number] & { type: EventType }>(
    'SELECT type, payload FROM outbox_events WHERE tenant_id = $1 ORDER BY transaction_id, position',
    [uuid],
  )
  for (const { type, payload } of events) EVENT_TYPES[type].data.strict().parse(payload)
  return { audit, events }
}

/** What was recorded since, so that a test need not know what its seeds caused. */
export async function recordsOf(app: TestApp, tenantId: string, work: () => Promise<unknown>): Promise<Records> {
  const before = await readRecords(app, tenantId)
  await work()
  const after = await readRecords(app, tenantId)
  return { audit: after.audit.slice(before.audit.length), events: after.events.slice(before.events.length) }
}

/** Code of a failure, wherever it stands; the name of the payload when there was none. */
export function readCode({ data, errors }: Pick<GraphQLAnswer<object>, 'data' | 'errors'>): string {
  const [error] = errors
  if (error !== undefined) return error.extensions.code
  const [result]: { code?: string; __typename?: string }[] = Object.values(data ?? {})
  return result?.code ?? result?.__typename ?? 'nothing'
}
