import type pg from 'pg'
import type { CreditStore } from '../verify/limits/credit-lease.ts'

interface LeaseRow {
  readonly granted: string
  readonly stored: string
  readonly epoch: string
  readonly next_refill_at: Date | null
  readonly refill_amount: number | null
}

/**
 * One statement, hence atomic; the row is locked from the first step to the last. In order: what is returned is added if
 * its epoch is the current one, a refill that is due fills up (`computeRefill` states the rule), and the lease is taken.
 *
 * Days and months begin where `lib/calendar.ts` has them begin: at the first instant that bears the local date. Where clocks
 * go back at midnight it comes twice, and PostgreSQL means the second when asked; a refill there would repeat for an hour.
 * So a beginning is moved back by what the clocks were moved in the hours before it, if that too is the beginning. Of the
 * beginnings around now, the last that has passed begins the period: also where clocks went back over midnight, so that
 * the old date shows again.
 *
 * $1 key · $2 now · $3 returned · $4 its epoch · $5 need · $6 want
 */
const LEASE = {
  name: 'lease-credits',
  text: `
    WITH held AS (
      SELECT credits.api_key_id, credits.epoch, credits.refill_amount, credits.refilled_at,
             credits.remaining + CASE WHEN credits.epoch = $4 THEN $3::bigint ELSE 0 END AS remaining,
             lower(credits.refill_every::text) AS unit,
             CASE WHEN credits.refill_every IS NOT NULL THEN tenant.time_zone END AS zone
        FROM api_key_credits credits JOIN tenants tenant ON tenant.id = credits.tenant_id
       WHERE credits.api_key_id = $1
         FOR UPDATE OF credits
    ), refilled AS (
      SELECT held.*, period.next_refill_at,
             refill_amount IS NOT NULL AND refilled_at < period.began_at AS due
        FROM held LEFT JOIN LATERAL (
          SELECT max(began_at) FILTER (WHERE began_at <= $2::timestamptz) AS began_at,
                 min(began_at) FILTER (WHERE began_at > $2::timestamptz) AS next_refill_at
            FROM generate_series(0, 2) AS ahead,
                 LATERAL (SELECT date_trunc(unit, $2::timestamptz AT TIME ZONE zone) + ahead * ('1 ' || unit)::interval
                 ) AS local (beginning),
                 LATERAL (SELECT local.beginning AT TIME ZONE zone) AS usual (instant),
                 LATERAL (SELECT usual.instant - (interval '3 hours' + ((usual.instant - interval '3 hours') AT TIME ZONE zone)
                                                  - (usual.instant AT TIME ZONE zone))) AS earlier (instant),
                 LATERAL (SELECT CASE WHEN earlier.instant AT TIME ZONE zone = local.beginning
                                      THEN least(earlier.instant, usual.instant) ELSE usual.instant END) AS first (began_at)
        ) AS period ON unit IS NOT NULL
    ), filled AS (
      SELECT *, CASE WHEN due THEN greatest(remaining, refill_amount) ELSE remaining END AS stored,
             CASE WHEN due AND remaining < refill_amount THEN epoch + 1 ELSE epoch END AS new_epoch
        FROM refilled
    ), taken AS (
      SELECT *, CASE WHEN stored < $5::bigint THEN 0 ELSE least(stored, $6::bigint) END AS granted FROM filled
    )
    UPDATE api_key_credits credits
       SET remaining = taken.stored - taken.granted,
           epoch = taken.new_epoch,
           refilled_at = CASE WHEN taken.due THEN $2::timestamptz ELSE credits.refilled_at END
      FROM taken
     WHERE credits.api_key_id = taken.api_key_id
    RETURNING taken.granted, credits.remaining AS stored, credits.epoch, taken.refill_amount, taken.next_refill_at`,
}

const GIVE_BACK = {
  name: 'give-back-credits',
  text: 'UPDATE api_key_credits SET remaining = remaining + $2 WHERE api_key_id = $1 AND epoch = $3',
}

/** Keeps credits in PostgreSQL. */
export function createCreditStore(pool: pg.Pool): CreditStore {
  return {
    async lease({ keyId, need, want, returned, nowMs }) {
      const values = [keyId, new Date(nowMs), returned?.amount ?? 0, returned?.epoch ?? -1, need, want]
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
