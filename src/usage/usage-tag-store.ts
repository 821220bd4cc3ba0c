import type pg from 'pg'
import type { TagUsage } from '../verify/ports.ts'
import { OTHER_TAG, TAGS_PER_DAY_MAX } from '../verify/usage/tag-tally.ts'

/**
 * A tenant has 1000 tags a day, those that came first. They are rows, so that the bound holds for all servers together and
 * through restarts; a flush that brings none that is new, or none that there is room for, finds that out without a lock.
 */

const FLUSHED_DAY = `(flushed.minute AT TIME ZONE 'UTC')::date`

const KNOWN_TAG = `
  known.tenant_id = flushed.tenant_id AND known.day = ${FLUSHED_DAY}
    AND known.name = flushed.name AND known.value = flushed.value`

/** A day that is full stays full, so that no lock is needed to see it. $5 how many tags fill one. */
const FULL_DAYS = `
  SELECT tenant_id, day FROM usage_tags
   WHERE tenant_id = ANY ($1::uuid[])
     AND day IN (SELECT (minute AT TIME ZONE 'UTC')::date FROM unnest($2::timestamptz[]) AS flushed (minute))
   GROUP BY tenant_id, day HAVING count(*) >= $5`

/** Those that there may be room for. Those of tenants that were deleted meanwhile are left out by the join. */
const NEW_TAGS = `
  SELECT flushed.tenant_id, ${FLUSHED_DAY} AS day, flushed.name, flushed.value, min(flushed.place) AS place
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[])
         WITH ORDINALITY AS flushed (tenant_id, minute, name, value, place)
    JOIN tenants tenant ON tenant.id = flushed.tenant_id
   WHERE flushed.name <> '' AND NOT EXISTS (SELECT FROM usage_tags known WHERE ${KNOWN_TAG})
     AND (flushed.tenant_id, ${FLUSHED_DAY}) NOT IN (${FULL_DAYS})
   GROUP BY 1, 2, 3, 4`

/** Any number that nothing else locks together with a second one. */
const NEW_TAGS_LOCK = 0x746167

/**
 * Two flushes that bring new tags of one tenant have to follow one another, or both would fill the same room. Tenants share 256
 * locks, because PostgreSQL has room for some thousand and at midnight everybody's tags are new. In their order, so that flushes wait
 * for each other instead of locking each other out.
 */
const LOCK_TENANTS_OF_NEW_TAGS = `
  SELECT pg_advisory_xact_lock(${NEW_TAGS_LOCK}, ordered.lock)
    FROM (SELECT DISTINCT get_byte(uuid_send(tenant_id), 15) AS lock FROM (${NEW_TAGS}) AS added ORDER BY lock) AS ordered`

/** A statement of its own: only one that begins under the lock sees what was added before it. */
const ADD_NEW_TAGS = `
  WITH added AS MATERIALIZED (${NEW_TAGS}),
  ranked AS (
    SELECT *, row_number() OVER (PARTITION BY tenant_id, day ORDER BY place) AS rank FROM added
  ),
  counted AS (
    SELECT touched.tenant_id, touched.day, count(known.name) AS known_count
      FROM (SELECT DISTINCT tenant_id, day FROM added) AS touched
      LEFT JOIN usage_tags known ON known.tenant_id = touched.tenant_id AND known.day = touched.day
     GROUP BY 1, 2
  )
  INSERT INTO usage_tags (tenant_id, day, name, value)
  SELECT tenant_id, day, name, value FROM ranked JOIN counted USING (tenant_id, day)
   WHERE known_count + rank <= $5`

/** A tag that is not known by now found no room. */
const ADD_TAG_COUNTS = `
  INSERT INTO usage_tag_minutes AS usage (tenant_id, name, minute, value, api_key_id, code, count)
  SELECT flushed.tenant_id, coalesce(known.name, $8), flushed.minute, coalesce(known.value, $9),
         flushed.key_id, flushed.code, sum(flushed.count)
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[])
         AS flushed (tenant_id, minute, name, value, key_id, code, count)
    JOIN tenants tenant ON tenant.id = flushed.tenant_id
    LEFT JOIN usage_tags known ON ${KNOWN_TAG}
   GROUP BY 1, 2, 3, 4, 5, 6
   ORDER BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (tenant_id, name, minute, value, api_key_id, code) DO UPDATE SET count = usage.count + excluded.count`

/** Adds what a flush counted by tag, in the transaction of the flush. Nothing is asked when it has none. */
export async function addTagCounts(client: pg.PoolClient, usages: readonly TagUsage[]): Promise<void> {
  if (usages.length === 0) return
  const tags = [
    usages.map(({ tenantId }) => tenantId),
    usages.map(({ minute }) => new Date(minute)),
    usages.map(({ tag }) => tag.name),
    usages.map(({ tag }) => tag.value),
  ]
  await client.query(LOCK_TENANTS_OF_NEW_TAGS, [...tags, TAGS_PER_DAY_MAX])
  await client.query(ADD_NEW_TAGS, [...tags, TAGS_PER_DAY_MAX])
  await client.query(ADD_TAG_COUNTS, [
    ...tags,
    usages.map(({ keyId }) => keyId),
    usages.map(({ code }) => code),
    usages.map(({ count }) => count),
    OTHER_TAG.name,
    OTHER_TAG.value,
  ])
}
