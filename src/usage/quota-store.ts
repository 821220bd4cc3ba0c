import type pg from 'pg'
import type { QuotaSink } from '../verify/ports.ts'

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

/** In the order of the keys, so that nodes which flush at once wait for each other instead of locking each other out. */
const ADD_COUNTS = `
  INSERT INTO quota_counts AS stored (subject_id, unit, period_id, used)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
   ORDER BY 1, 2, 3
  ON CONFLICT (subject_id, unit, period_id) DO UPDATE SET used = stored.used + excluded.used`

/** Also for a node that was forgotten all the same: what it wrote is in the counts. */
const KEEP_ALIVE = `
  INSERT INTO quota_flushes (node_id, sequence, flushed_at) VALUES ($1, $2, now())
  ON CONFLICT (node_id) DO UPDATE SET flushed_at = now()`

const FORGET_NODES = `DELETE FROM quota_flushes WHERE flushed_at < now() - interval '${NODE_MEMORY}'`

/** Writes counts of quotas to PostgreSQL, each flush in one transaction and exactly once. */
export function createQuotaStore(pool: pg.Pool, nodeId: string): QuotaSink {
  /** The last flush that is known to be committed. */
  let written = 0
  return {
    async write({ sequence, rows }) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const claimed = await client.query(CLAIM_FLUSH, [nodeId, sequence])
        if (claimed.rowCount === 1) {
          await client.query(ADD_COUNTS, [
            rows.map(({ subjectId }) => subjectId),
            rows.map(({ unit }) => unit),
            rows.map(({ periodId }) => periodId),
            rows.map(({ delta }) => delta),
          ])
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
