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
 * $1 key · $2 now · $3 returned · $4 its epoch · $5 need · $6 want · $7 to $10 first and next day, first and next month
 */
const LEASE = {
  name: 'lease-credits',
  query_timeout: ANSWER_DEADLINE_MS,
  text: `
    WITH held AS (
      SELECT api_key_id, epoch, refill_amount, refilled_at,
             remaining + CASE WHEN epoch = $4 THEN $3::bigint ELSE 0 END AS remaining,
             CASE refill_every WHEN 'DAY' THEN $7::timestamptz WHEN 'MONTH' THEN $9::timestamptz END AS period_start,
             CASE refill_every WHEN 'DAY' THEN $8::timestamptz WHEN 'MONTH' THEN $10::timestamptz END AS next_refill_at
        FROM api_key_credits
       WHERE api_key_id = $1
         FOR UPDATE
    ), refilled AS (
      SELECT *, refill_amount IS NOT NULL AND refilled_at < period_start AS due FROM held
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
  query_timeout: ANSWER_DEADLINE_MS,
  text: 'UPDATE api_key_credits SET remaining = remaining + $2 WHERE api_key_id = $1 AND epoch = $3',
}

/** Keeps credits in PostgreSQL. */
export function createCreditStore(pool: pg.Pool): CreditStore {
  return {
    async lease({ keyId, need, want, returned, nowMs, calendar }) {
      const periods = [calendar.day(nowMs), calendar.month(nowMs)]
      const boundaries = periods.flatMap(({ startMs, endMs }) => [new Date(startMs), new Date(endMs)])
      const values = [keyId, new Date(nowMs), returned?.amount ?? 0, returned?.epoch ?? -1, need, want, ...boundaries]
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
