import type pg from 'pg'

/** A statement over this many rows takes some milliseconds and holds up nobody. */
const PURGE_ROWS_MAX = 1_000
/** Of each kind in one run; the rest is for the next. */
const PURGE_STATEMENTS_MAX = 100

/**
 * Clears rows away in small statements, until none is left that is over or the run has done enough.
 *
 * @param statement takes the time up to which rows are over as $1 and the number of rows at most as $2, and leaves rows that
 *   another server is clearing to it
 */
export async function purgeRows(pool: pg.Pool, statement: string, overAt: number): Promise<void> {
  for (let round = 0; round < PURGE_STATEMENTS_MAX; round++) {
    const { rowCount } = await pool.query(statement, [new Date(overAt), PURGE_ROWS_MAX])
    if ((rowCount ?? 0) < PURGE_ROWS_MAX) break
  }
}
