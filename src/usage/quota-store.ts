import { randomUUIDv7 } from 'node:crypto'
import type pg from 'pg'
import type { QuotaDelta } from '../verify/limits/quota-ledger.ts'
import { computeWarningThreshold } from '../verify/limits/warning-threshold.ts'
import type { QuotaSink } from '../verify/ports.ts'
import { type QuotaCrossing, tellCrossings } from './quota-crossings.ts'

/**
 * A server that was not heard of for this long is gone; its last flush is not sent again. Shorter, and one that was cut off
 * from the database, or suspended, could come back and write its last flush twice.
 */
const NODE_MEMORY = '30 days'

/** Moves this node on to the flush. A flush that was applied before moves nothing, and then adds nothing. */
const CLAIM_FLUSH = `
  INSERT INTO quota_flushes AS node (node_id, sequence, flushed_at) VALUES ($1, $2, now())
  ON CONFLICT (node_id) DO UPDATE SET sequence = excluded.sequence, flushed_at = now()
   WHERE node.sequence < excluded.sequence
  RETURNING node_id`

/**
 * In the order of the keys, so that nodes which flush at once wait for each other instead of locking each other out. The
 * answer is what the counts were brought over, a few rows of many.
 *
 * A row remembers the highest threshold and the highest limit that were told of, and whatever is no higher is not told
 * again. So each is told once, whichever node comes over it; nodes that know of a raised limit at different moments tell
 * of each limit once; and a new period is a new row.
 */
const ADD_COUNTS = `
  WITH flushed AS MATERIALIZED (
    SELECT *
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[])
      WITH ORDINALITY AS row (subject_id, unit, period_id, delta, limit_units, warning_units, is_refused, place)
  ), added AS (
    INSERT INTO quota_counts AS stored (subject_id, unit, period_id, used)
    SELECT subject_id, unit, period_id, delta FROM flushed ORDER BY 1, 2, 3
    ON CONFLICT (subject_id, unit, period_id) DO UPDATE SET used = stored.used + excluded.used
    RETURNING *
  ), seen AS (
    SELECT place, used,
           used >= warning_units AND warning_units > coalesce(warning_told_units, 0) AS is_warning,
           (used >= limit_units OR is_refused) AND limit_units > coalesce(reached_told_limit, -1) AS is_reached
      FROM added JOIN flushed USING (subject_id, unit, period_id)
  )
  SELECT place, used, is_warning, is_reached FROM seen WHERE is_warning OR is_reached ORDER BY place`

interface SeenRow {
  /** From 1. */
  readonly place: string
  readonly used: string
  readonly is_warning: boolean
  readonly is_reached: boolean
}

/** Also for a node that was forgotten all the same: what it wrote is in the counts. */
const KEEP_ALIVE = `
  INSERT INTO quota_flushes (node_id, sequence, flushed_at) VALUES ($1, $2, now())
  ON CONFLICT (node_id) DO UPDATE SET flushed_at = now()`

const FORGET_NODES = `DELETE FROM quota_flushes WHERE flushed_at < now() - interval '${NODE_MEMORY}'`

/** Writes counts of quotas to PostgreSQL, and what they come to to the outbox, each flush in one transaction and exactly once. */
export function createQuotaStore(pool: pg.Pool, nodeId: string, newId: () => string = randomUUIDv7): QuotaSink {
  /** The last flush that is known to be committed. */
  let written = 0
  return {
    async write({ sequence, rows }) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const claimed = await client.query(CLAIM_FLUSH, [nodeId, sequence])
        if (claimed.rowCount === 1) {
          await tellCrossings(client, await addCounts(client, rows), newId)
          await client.query(FORGET_NODES)
        }
        await client.query('COMMIT')
        written = Math.max(written, sequence)
        client.release()
      } catch (error) {
        // The connection goes, and with it the transaction.
        client.release(error instanceof Error ? error : true)
        throw error
      }
    },
    async keepAlive() {
      if (written > 0) await pool.query(KEEP_ALIVE, [nodeId, written])
    },
  }
}

async function addCounts(client: pg.ClientBase, rows: readonly QuotaDelta[]): Promise<readonly QuotaCrossing[]> {
  const { rows: seen } = await client.query<SeenRow>(ADD_COUNTS, [
    rows.map(({ subjectId }) => subjectId),
    rows.map(({ unit }) => unit),
    rows.map(({ periodId }) => periodId),
    rows.map(({ delta }) => delta),
    rows.map(({ limit }) => limit),
    rows.map(({ limit, warningPercent }) => computeWarningThreshold(limit, warningPercent)),
    rows.map(({ isRefused }) => isRefused),
  ])
  return seen.flatMap(({ place, used, is_warning: isWarning, is_reached: isReached }) => {
    const row = rows[Number(place) - 1]
    return row === undefined ? [] : [{ row, used: Number(used), isWarning, isReached }]
  })
}
