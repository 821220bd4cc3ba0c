import { randomUUIDv7 } from 'node:crypto'
import type pg from 'pg'
import type { EventData } from '../events/event-types.ts'
import { formatPublicId } from '../public-id.ts'
import type { CreditStore } from '../verify/limits/credit-lease.ts'
import { REFUSAL_COUNTS_FROM_PERCENT } from '../verify/limits/warning-threshold.ts'

interface LeaseRow {
  readonly granted: string
  readonly stored: string
  readonly epoch: string
  readonly next_refill_at: Date | null
  readonly refill_amount: number | null
}

/**
 * Verifications wait no longer for a lease. The connection is given up with it: see the reads of keys (`key-source.ts`).
 * What PostgreSQL grants all the same is lost, as every answer is that does not arrive.
 */
const ANSWER_DEADLINE_MS = 2_000

/**
 * One statement, hence atomic; the row is locked from the first step to the last. In order: what is returned is added if
 * its epoch is the current one, a refill that is due fills up (`computeRefill` states the rule), and the lease is taken.
 *
 * Where periods begin and end comes with the request. PostgreSQL has another opinion than `lib/calendar.ts` of midnights
 * that come twice or not at all, and of short names of zones such as CET: there a refill would come twice, or late.
 *
 * What the lease brings the credits to is told with it: that few are left, or none, or near the end too few for the least
 * of those who wait (`isReachedByRefusal` states the rule). The row remembers what was told, until a refill that raises (or
 * a set or a top-up) begins anew with another base. More than the base is there where a server of an earlier version has
 * changed the credits, or where a lease from before a top-up came back: then that is the base.
 *
 * $1 key · $2 now · $3 returned · $4 its epoch · $5 need · $6 want · $7 to $10 first and next day, first and next month
 * $11 percent spent when it is time to warn, 0 for never · $12 ids of the two events · $13 correlation id · $14 what both
 * events say beside the numbers
 */
const LEASE = {
  name: 'lease-credits',
  query_timeout: ANSWER_DEADLINE_MS,
  text: `
    WITH held AS (
      SELECT api_key_id, tenant_id, epoch, refill_amount, refilled_at, base, low_told_units, exhausted_told,
             remaining + CASE WHEN epoch = $4 THEN $3::bigint ELSE 0 END AS remaining,
             CASE refill_every WHEN 'DAY' THEN $7::timestamptz WHEN 'MONTH' THEN $9::timestamptz END AS period_start,
             CASE refill_every WHEN 'DAY' THEN $8::timestamptz WHEN 'MONTH' THEN $10::timestamptz END AS next_refill_at
        FROM api_key_credits
       WHERE api_key_id = $1
         FOR UPDATE
    ), refilled AS (
      SELECT *, refill_amount IS NOT NULL AND refilled_at < period_start AS due,
             coalesce(refilled_at < period_start AND remaining < refill_amount, false) AS raised
        FROM held
    ), filled AS (
      SELECT *, CASE WHEN raised THEN refill_amount ELSE remaining END AS stored,
             CASE WHEN raised THEN epoch + 1 ELSE epoch END AS new_epoch,
             CASE WHEN raised THEN refill_amount ELSE greatest(base, remaining) END AS new_base,
             CASE WHEN raised THEN NULL ELSE low_told_units END AS low_told,
             NOT raised AND exhausted_told AS was_exhausted
        FROM refilled
    ), taken AS (
      SELECT *, CASE WHEN stored < $5::bigint THEN 0 ELSE least(stored, $6::bigint) END AS granted,
             CASE WHEN $11::int > 0 AND new_base > 0 THEN new_base * (100 - $11::int) / 100 END AS low_units,
             $5::bigint <= new_base AND stored <= new_base * (100 - ${REFUSAL_COUNTS_FROM_PERCENT}) / 100 AS refusal_counts
        FROM filled
    ), judged AS (
      SELECT *, coalesce(stored - granted <= low_units AND (low_told IS NULL OR low_units < low_told), false) AS is_low,
             NOT was_exhausted AND (stored = granted OR granted = 0 AND refusal_counts) AS is_exhausted
        FROM taken
    ), leased AS (
      UPDATE api_key_credits credits
         SET remaining = judged.stored - judged.granted,
             epoch = judged.new_epoch,
             refilled_at = CASE WHEN judged.due THEN $2::timestamptz ELSE credits.refilled_at END,
             base = judged.new_base,
             low_told_units = CASE WHEN judged.is_low THEN judged.low_units ELSE judged.low_told END,
             exhausted_told = judged.was_exhausted OR judged.is_exhausted
        FROM judged
       WHERE credits.api_key_id = judged.api_key_id
      RETURNING judged.*, credits.remaining AS left_over
    ), told AS (
      INSERT INTO outbox_events (id, tenant_id, type, payload, occurred_at, correlation_id)
      SELECT event.id, tenant_id, event.type,
             $14::jsonb || jsonb_build_object('remaining', left_over, 'base', new_base) || event.detail,
             $2::timestamptz, $13
        FROM leased, LATERAL (VALUES
               (($12::uuid[])[1], 'credits.low', jsonb_build_object('thresholdPercent', $11::int), is_low),
               (($12::uuid[])[2], 'credits.exhausted', '{}'::jsonb, is_exhausted)
             ) AS event (id, type, detail, is_due)
       WHERE event.is_due
    )
    SELECT granted, left_over AS stored, new_epoch AS epoch, refill_amount, next_refill_at FROM leased`,
}

const GIVE_BACK = {
  name: 'give-back-credits',
  query_timeout: ANSWER_DEADLINE_MS,
  text: 'UPDATE api_key_credits SET remaining = remaining + $2 WHERE api_key_id = $1 AND epoch = $3',
}

/** Keeps credits in PostgreSQL. */
export function createCreditStore(pool: pg.Pool, newId: () => string = randomUUIDv7): CreditStore {
  return {
    async lease({ keyId, tenantId, need, want, returned, nowMs, calendar, warningPercent }) {
      const periods = [calendar.day(nowMs), calendar.month(nowMs)]
      const boundaries = periods.flatMap(({ startMs, endMs }) => [new Date(startMs), new Date(endMs)])
      const whose: Omit<EventData<'credits.exhausted'>, 'remaining' | 'base'> = {
        tenantId: formatPublicId('Tenant', tenantId),
        apiKeyId: formatPublicId('ApiKey', keyId),
      }
      const values = [
        keyId,
        new Date(nowMs),
        returned?.amount ?? 0,
        returned?.epoch ?? -1,
        need,
        want,
        ...boundaries,
        warningPercent,
        [newId(), newId()],
        newId(),
        whose,
      ]
      const { rows } = await pool.query<LeaseRow>({ ...LEASE, values })
      const [row] = rows
      if (row === undefined) return { granted: 0, stored: 0, epoch: 0, nextRefillAtMs: null, refillAmount: 0 }
      return {
        granted: Number(row.granted),
        stored: Number(row.stored),
        epoch: Number(row.epoch),
        nextRefillAtMs: row.refill_amount === null ? null : (row.next_refill_at?.getTime() ?? null),
        refillAmount: row.refill_amount ?? 0,
      }
    },
    async giveBack(keyId, { amount, epoch }) {
      await pool.query({ ...GIVE_BACK, values: [keyId, amount, epoch] })
    },
  }
}
