import type pg from 'pg'
import { isUnavailable } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { NonceStore } from '../verify/signature/nonce-port.ts'

/**
 * Nonces of signed requests in PostgreSQL, the one place that all servers share and that outlives them.
 *
 * One statement decides: of concurrent claims the primary key lets one insert; the others wait for its commit and then
 * see it. An expired row that is still there is taken over, so that it does not matter when the table was last cleared.
 * That never brings an old request back: its row stays, with a later expiry.
 */
export interface SqlNonceStore extends NonceStore {
  /** Resolves when the clearing under way, if any, has ended. */
  settle(): Promise<void>
}

export interface NonceStoreDeps {
  readonly pool: pg.Pool
  /** Told when the table could not be cleared. It is tried again later; no claim fails because of it. */
  readonly onPurgeFailure: (error: unknown) => void
}

/**
 * A request that was signed waits no longer than this to hear whether it counts, and no claim holds a connection for longer:
 * see the reads of keys (`key-source.ts`).
 */
const CLAIM_DEADLINE_MS = 2_000

/** $1 key · $2 nonce · $3 expiry · $4 now */
const CLAIM = {
  name: 'claim-nonce',
  query_timeout: CLAIM_DEADLINE_MS,
  text: `
    INSERT INTO nonces AS known (api_key_id, nonce, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (api_key_id, nonce) DO UPDATE SET expires_at = excluded.expires_at WHERE known.expires_at <= $4`,
}

/**
 * A nonce outlives its expiry by this. A server whose clock runs ahead would otherwise clear away what another one still
 * needs; for the same reason the earlier of its clock and the database's counts. Lower, and clocks have to agree
 * better; higher, and the table is larger.
 */
const KEPT_AFTER_EXPIRY = '10 minutes'

/** $1 now · $2 rows at most. Rows that another server is clearing are left to it. */
const PURGE = {
  name: 'purge-nonces',
  text: `
    DELETE FROM nonces WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM nonces
       WHERE expires_at < least($1::timestamptz, now()) - interval '${KEPT_AFTER_EXPIRY}'
       ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
}

/** A statement that deletes this many takes some milliseconds and holds up nobody. */
const PURGE_ROWS_MAX = 1_000
/** Each server clears away about as much in a minute as it can claim in one. The rest is for the next time. */
const PURGE_STATEMENTS_MAX = 200
const PURGE_INTERVAL_MS = 60_000
export function createNonceStore({ pool, onPurgeFailure }: NonceStoreDeps): SqlNonceStore {
  let purgedAt = Number.NEGATIVE_INFINITY
  let purging: Promise<void> | null = null

  function purgeNowAndThen(now: number): void {
    // A clock that was set back would put off the next clearing by any time.
    const isDue = now - purgedAt >= PURGE_INTERVAL_MS || now < purgedAt
    if (!isDue || purging !== null) return
    purgedAt = now
    purging = purgeNonces(pool, now)
      .then(() => undefined, onPurgeFailure)
      .finally(() => {
        purging = null
      })
  }

  return {
    async claim({ keyId, nonce, expiresAt, now }) {
      const values = [keyId, nonce, new Date(expiresAt), new Date(now)]
      const answer = withDeadline(pool.query({ ...CLAIM, values }), CLAIM_DEADLINE_MS, () => unavailable())
      const { rowCount } = await answer.catch((error: unknown) => {
        throw isUnavailable(error) ? unavailable(error) : error
      })
      purgeNowAndThen(now)
      return rowCount === 1
    },
    async settle() {
      await purging
    },
  }
}

/** Clears away what expired some time ago, in small statements, and says how much it was. */
export async function purgeNonces(pool: pg.Pool, now: number): Promise<number> {
  let total = 0
  for (let statement = 0; statement < PURGE_STATEMENTS_MAX; statement++) {
    const { rowCount } = await pool.query({ ...PURGE, values: [new Date(now), PURGE_ROWS_MAX] })
    total += rowCount ?? 0
    if ((rowCount ?? 0) < PURGE_ROWS_MAX) break
  }
  return total
}

function unavailable(cause?: unknown): KeywardError {
  return new KeywardError('UNAVAILABLE', 'Whether the nonce was used before cannot be found out right now.', {
    retryAfterSeconds: 1,
    cause,
  })
}
