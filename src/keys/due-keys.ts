import type pg from 'pg'
import type { RotationPolicy } from '../configs/effective-config.ts'
import { RESERVED_SCOPE_PREFIX } from '../scopes/scope-name.ts'
import type { KeyRef } from './announce-expiry.ts'

/** Keys of one page, in the order of their ids. */
export interface DueKeysQuery {
  readonly now: Date
  /** Days before a deadline at which it is told. */
  readonly noticeDays: readonly number[]
  /** Id after which the page begins. */
  readonly after: string
  readonly limit: number
}

export type ListDueKeys = (query: DueKeysQuery) => Promise<readonly KeyRef[]>

/**
 * Keys of whose expiry something is to be told now. It is a first sieve, which no lock protects: `announce-expiry.ts`
 * decides. $1 now · $2 days · $3 after · $4 limit
 */
const EXPIRING = `
  SELECT tenant_id AS "tenantId", id FROM api_keys
   WHERE revoked_at IS NULL AND expires_at IS NOT NULL AND (expiry_told_at IS NULL OR expiry_told_at < expires_at)
     AND expires_at <= $1::timestamptz + (SELECT max(day) FROM unnest($2::int[]) AS day) * interval '1 day'
     AND EXISTS (SELECT FROM unnest($2::int[]) AS day
                  WHERE expires_at - day * interval '1 day' > coalesce(expiry_told_at, created_at)
                    AND expires_at - day * interval '1 day' <= $1)
     AND id > $3
   ORDER BY id LIMIT $4`

export function createListExpiringKeys(pool: pg.Pool): ListDueKeys {
  return async ({ now, noticeDays, after, limit }) => {
    const { rows } = await pool.query<KeyRef>(EXPIRING, [now, [...noticeDays, 0], after, limit])
    return rows
  }
}

/**
 * Keys whose rotation policy asks for something now. A first sieve like the one above; `rotation-policy.ts` decides. It
 * begins with the tenants and keys that set a policy, and goes through the others only when the system sets one.
 * $5 policy of the system · $6 prefix of scopes that stand for permissions
 */
const ROTATION_DUE = `
  WITH governed AS (
    SELECT key.id, key.tenant_id, key.scopes, key.config AS key_config, tenant.config AS tenant_config
      FROM tenants tenant JOIN api_keys key ON key.tenant_id = tenant.id
     WHERE (tenant.config ? 'rotation' OR $5::jsonb IS NOT NULL) AND key.id > $3
       AND key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > $1)
     UNION
    SELECT key.id, key.tenant_id, key.scopes, key.config, tenant.config
      FROM api_keys key JOIN tenants tenant ON tenant.id = key.tenant_id
     WHERE key.config ? 'rotation' AND key.id > $3
       AND key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > $1)
  ), policies AS (
    SELECT id, tenant_id, (rotation->>'everyDays')::int AS every_days, 
           CASE WHEN rotation->>'mode' = 'DELIVER' AND EXISTS (SELECT FROM unnest(scopes) AS scope WHERE starts_with(scope, $6))
                THEN 'NOTIFY' ELSE rotation->>'mode' END AS mode
      FROM (SELECT *, coalesce(key_config->'rotation', tenant_config->'rotation', $5::jsonb) AS rotation FROM governed) one
  )
  SELECT DISTINCT policy.tenant_id AS "tenantId", policy.id
    FROM policies policy
    JOIN api_key_secrets secret ON secret.tenant_id = policy.tenant_id AND secret.api_key_id = policy.id
   WHERE policy.every_days > 0 AND secret.activated_at + policy.every_days * interval '1 day' <= $1
     AND (secret.retires_at IS NULL
          OR (secret.retires_at = secret.rotation_deadline_at AND secret.retires_at > $1))
     AND CASE policy.mode
           WHEN 'DELIVER' THEN NOT EXISTS (
             SELECT FROM api_key_secrets pending
              WHERE pending.tenant_id = policy.tenant_id AND pending.api_key_id = policy.id
                AND pending.activated_at IS NULL AND pending.retires_at IS NULL
                AND (pending.deliver_by IS NULL OR pending.deliver_by > $1))
           ELSE secret.rotation_deadline_at IS NULL
             OR (policy.mode = 'ENFORCE' AND secret.retires_at IS NULL)
             OR (secret.rotation_deadline_at > $1 AND EXISTS (
                   SELECT FROM unnest($2::int[]) AS day
                    WHERE secret.rotation_deadline_at - day * interval '1 day' > secret.rotation_told_at
                      AND secret.rotation_deadline_at - day * interval '1 day' <= $1))
         END
   ORDER BY policy.id LIMIT $4`

export function createListKeysDueForRotation(pool: pg.Pool, systemPolicy: RotationPolicy | null): ListDueKeys {
  const policy = systemPolicy === null ? null : JSON.stringify(systemPolicy)
  return async ({ now, noticeDays, after, limit }) => {
    const { rows } = await pool.query<KeyRef>(ROTATION_DUE, [
      now,
      [...noticeDays],
      after,
      limit,
      policy,
      RESERVED_SCOPE_PREFIX,
    ])
    return rows
  }
}
