import type pg from 'pg'
import type { UsageFlush, UsageSink } from '../verify/ports.ts'
import { addTagCounts } from './usage-tag-store.ts'

/** A flush that was not confirmed is sent again within seconds; after this long nobody remembers it. */
const FLUSH_MEMORY = '1 hour'

/** Claims the flush's id. A flush that was applied before finds its id taken. */
const CLAIM_FLUSH = `
  INSERT INTO usage_flushes (id, applied_at) VALUES ($1, now()) ON CONFLICT DO NOTHING RETURNING id`

const FORGET_FLUSHES = `DELETE FROM usage_flushes WHERE applied_at < now() - interval '${FLUSH_MEMORY}'`

/**
 * Keys that were deleted meanwhile are left out by the join. Rows are taken in the order of their keys, so that two
 * nodes that flush at once wait for each other instead of locking each other out.
 */
const ADD_KEY_COUNTS = `
  INSERT INTO api_key_usage AS usage (api_key_id, tenant_id, request_count, last_used_at, last_used_ip)
  SELECT key.id, key.tenant_id, flushed.count, flushed.at, flushed.ip
    FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[]) AS flushed (key_id, count, at, ip)
    JOIN api_keys key ON key.id = flushed.key_id
   ORDER BY key.tenant_id, key.id
  ON CONFLICT (tenant_id, api_key_id) DO UPDATE
    SET request_count = usage.request_count + excluded.request_count,
        last_used_at = greatest(usage.last_used_at, excluded.last_used_at),
        last_used_ip = CASE WHEN excluded.last_used_at >= usage.last_used_at
                            THEN coalesce(excluded.last_used_ip, usage.last_used_ip) ELSE usage.last_used_ip END`

const ADD_MINUTE_COUNTS = `
  INSERT INTO usage_minutes AS usage (tenant_id, api_key_id, minute, code, count)
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[])
   ORDER BY 1, 2, 3, 4
  ON CONFLICT (tenant_id, api_key_id, minute, code) DO UPDATE SET count = usage.count + excluded.count`

/**
 * A minute is exact enough to see who still uses an old token, and most flushes then find nothing to write. A row that
 * somebody else holds is left for the next flush.
 */
const NOTE_SECRET_USES = `
  WITH used AS (
    SELECT secret.id, flushed.at
      FROM unnest($1::uuid[], $2::timestamptz[]) AS flushed (secret_id, at)
      JOIN api_key_secrets secret ON secret.id = flushed.secret_id
     WHERE secret.last_used_at IS NULL OR secret.last_used_at < flushed.at - interval '1 minute'
       FOR UPDATE OF secret SKIP LOCKED
  )
  UPDATE api_key_secrets secret SET last_used_at = used.at FROM used WHERE secret.id = used.id`

/** Writes counts to PostgreSQL, each flush in one transaction and exactly once. */
export function createUsageStore(pool: pg.Pool): UsageSink {
  return {
    async write(flush) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const claimed = await client.query(CLAIM_FLUSH, [flush.id])
        if (claimed.rowCount === 1) await addCounts(client, flush)
        await client.query('COMMIT')
        client.release()
      } catch (error) {
        // The connection goes, and with it the transaction.
        client.release(error instanceof Error ? error : true)
        throw error
      }
    },
  }
}

async function addCounts(client: pg.PoolClient, { keys, minutes, tags, secrets }: UsageFlush): Promise<void> {
  await client.query(ADD_KEY_COUNTS, [
    keys.map(({ keyId }) => keyId),
    keys.map(({ requestCount }) => requestCount),
    keys.map(({ lastUsedAt }) => new Date(lastUsedAt)),
    keys.map(({ lastUsedIp }) => lastUsedIp),
  ])
  await client.query(ADD_MINUTE_COUNTS, [
    minutes.map(({ tenantId }) => tenantId),
    minutes.map(({ keyId }) => keyId),
    minutes.map(({ minute }) => new Date(minute)),
    minutes.map(({ code }) => code),
    minutes.map(({ count }) => count),
  ])
  await addTagCounts(client, tags)
  await client.query(NOTE_SECRET_USES, [
    secrets.map(({ secretId }) => secretId),
    secrets.map(({ lastUsedAt }) => new Date(lastUsedAt)),
  ])
  await client.query(FORGET_FLUSHES)
}
