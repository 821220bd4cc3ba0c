import type pg from 'pg'
import type { DomainEvent } from '../events/event-types.ts'
import { insertOutboxRows } from '../events/outbox.ts'
import { formatPublicId } from '../public-id.ts'
import type { QuotaDelta } from '../verify/limits/quota-ledger.ts'
import { computeWarningThreshold } from '../verify/limits/warning-threshold.ts'

/** What a flush has brought a count over. */
export interface QuotaCrossing {
  readonly row: QuotaDelta
  /** The sum of all nodes. */
  readonly used: number
  readonly isWarning: boolean
  readonly isReached: boolean
}

type QuotaEvent = Extract<DomainEvent, { readonly type: 'quota.warning' | 'quota.reached' }> & {
  readonly secrets?: never
}

/** Null leaves what was told before. */
const MARK_TOLD = `
  UPDATE quota_counts AS stored
     SET warning_told_units = coalesce(told.warning_units, stored.warning_told_units),
         reached_told_limit = coalesce(told.reached_limit, stored.reached_told_limit)
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
      AS told (subject_id, unit, period_id, warning_units, reached_limit)
   WHERE stored.subject_id = told.subject_id AND stored.unit = told.unit AND stored.period_id = told.period_id`

/** A key or tenant that is deleted meanwhile is missing: nobody is left who could be told. */
const FIND_TENANTS = `
  SELECT id, tenant_id FROM api_keys WHERE id = ANY($1::uuid[])
   UNION ALL SELECT id, id FROM tenants WHERE id = ANY($1::uuid[])`

/**
 * Tells of crossings and notes that they are told, in the transaction that holds the rows locked. A warning comes before
 * what it warned of. None or three statements.
 */
export async function tellCrossings(
  client: pg.ClientBase,
  crossings: readonly QuotaCrossing[],
  newId: () => string,
): Promise<void> {
  if (crossings.length === 0) return
  await client.query(MARK_TOLD, [
    crossings.map(({ row }) => row.subjectId),
    crossings.map(({ row }) => row.unit),
    crossings.map(({ row }) => row.periodId),
    crossings.map(({ row, isWarning }) => (isWarning ? computeWarningThreshold(row.limit, row.warningPercent) : null)),
    crossings.map(({ row, isReached }) => (isReached ? row.limit : null)),
  ])
  const { rows } = await client.query<{ id: string; tenant_id: string }>(FIND_TENANTS, [
    crossings.map(({ row }) => row.subjectId),
  ])
  const tenantIds = new Map(rows.map(({ id, tenant_id: tenantId }) => [id, tenantId]))
  const events = crossings.flatMap((crossing) => {
    const tenantId = tenantIds.get(crossing.row.subjectId)
    return tenantId === undefined ? [] : listEvents(crossing, tenantId)
  })
  await insertOutboxRows(client, events, newId(), newId)
}

function listEvents({ row, used, isWarning, isReached }: QuotaCrossing, tenantId: string): QuotaEvent[] {
  const { scope, subjectId, unit, periodId, limit, warningPercent } = row
  const data = {
    tenantId: formatPublicId('Tenant', tenantId),
    apiKeyId: scope === 'key' ? formatPublicId('ApiKey', subjectId) : null,
    period: unit === 'day' ? ('DAY' as const) : ('MONTH' as const),
    periodId,
    limit,
    used,
  }
  const events: QuotaEvent[] = []
  if (isWarning) events.push({ type: 'quota.warning', tenantId, data: { ...data, thresholdPercent: warningPercent } })
  if (isReached) events.push({ type: 'quota.reached', tenantId, data })
  return events
}
