import type pg from 'pg'
import type { KeyConfig, TenantConfig } from '../configs/effective-config.ts'
import { isUnavailable } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { STORED_COUNTS_READ, type StoredCounts } from '../verify/limits/quota-count.ts'
import type { KeyRecord, KeySource } from '../verify/ports.ts'
import type { Environment } from './environment.ts'
import { signingSecretPurpose } from './signing-secret.ts'
import { tokenHashToBytes } from './token.ts'

interface KeyRow {
  readonly key_id: string
  readonly tenant_id: string
  readonly tenant_slug: string
  readonly tenant_is_platform: boolean
  readonly tenant_suspended_at: Date | null
  readonly name: string
  readonly environment: Environment
  readonly owner_id: string | null
  readonly scopes: string[]
  readonly inactive_scopes: string[]
  readonly metadata: unknown
  readonly expires_at: Date | null
  readonly disabled_at: Date | null
  readonly revoked_at: Date | null
  readonly secret_id: string
  readonly activated_at: Date | null
  readonly retires_at: Date | null
  readonly rotation_pending: boolean
  readonly config: unknown
  readonly tenant_config: unknown
  readonly tenant_time_zone: string
  readonly operations_revision: string | null
  readonly has_credits: boolean
  readonly sealed_signing_secret: Buffer | null
  readonly key_day: StoredCountRows
  readonly key_month: StoredCountRows
  readonly tenant_day: StoredCountRows
  readonly tenant_month: StoredCountRows
  readonly flush_sequence: string
}

/** Periods and what was used in each; PostgreSQL prints them as JSON. Null: nothing was ever used. */
type StoredCountRows = readonly (readonly [periodId: string, used: number])[] | null

/** Periods are written so that later ones sort after earlier ones. */
function latestCounts(subject: string, unit: 'day' | 'month'): string {
  return `(SELECT json_agg(json_build_array(period_id, used) ORDER BY period_id DESC)
             FROM (SELECT period_id, used FROM quota_counts WHERE subject_id = ${subject} AND unit = '${unit}'
                    ORDER BY period_id DESC LIMIT ${STORED_COUNTS_READ}) AS latest)`
}

/** What a verification must know of a key and its tenant, whose secret `secretId` was shown. $2 is the node. */
const keyColumns = (secretId: string): string => `
           ${secretId} AS secret_id, key.id AS key_id, key.name, key.environment::text, key.owner_id, key.scopes, key.metadata,
           key.expires_at, key.disabled_at, key.revoked_at,
           tenant.id AS tenant_id, tenant.slug AS tenant_slug, tenant.is_platform AS tenant_is_platform,
           tenant.suspended_at AS tenant_suspended_at,
           EXISTS (SELECT FROM api_key_secrets other
                    WHERE other.tenant_id = key.tenant_id AND other.api_key_id = key.id AND other.id <> ${secretId}
                      AND other.activated_at IS NULL AND other.retires_at IS NULL) AS rotation_pending,
           ARRAY(SELECT scope.name FROM scopes scope
                  WHERE scope.tenant_id = key.tenant_id AND NOT scope.active
                    AND (scope.name = ANY(key.scopes)
                         OR EXISTS (SELECT FROM unnest(key.scopes) AS held
                                     WHERE right(held, 2) = ':*' AND starts_with(scope.name, left(held, -1))))
                  ORDER BY scope.name) AS inactive_scopes,
           key.config,
           tenant.config AS tenant_config, tenant.time_zone AS tenant_time_zone,
           tenant.operations_revision,
           EXISTS (SELECT FROM api_key_credits credits WHERE credits.api_key_id = key.id) AS has_credits,
           ${latestCounts('key.id', 'day')} AS key_day,
           ${latestCounts('key.id', 'month')} AS key_month,
           ${latestCounts('tenant.id', 'day')} AS tenant_day,
           ${latestCounts('tenant.id', 'month')} AS tenant_month,
           coalesce((SELECT sequence FROM quota_flushes WHERE node_id = $2), 0) AS flush_sequence`

/**
 * Whoever verifies waits no longer. The connection is given up with it: while the network swallows what is sent, each
 * would otherwise be held until the pool's own deadline, and the first reads after the end of it would find none.
 */
const READ_DEADLINE_MS = 2_000

/** One statement, from the unique index of hashes outward; named, so that PostgreSQL plans it once per connection. */
const FIND_BY_TOKEN_HASH = {
  name: 'find-key-by-token-hash',
  query_timeout: READ_DEADLINE_MS,
  text: `
    SELECT secret.activated_at, secret.retires_at, NULL::bytea AS sealed_signing_secret,
           ${keyColumns('secret.id')}
      FROM api_key_secrets secret
      JOIN api_keys key ON key.tenant_id = secret.tenant_id AND key.id = secret.api_key_id
      JOIN tenants tenant ON tenant.id = key.tenant_id
     WHERE secret.hash = $1`,
}

/** A key that is named by its id shows no token: what stands for one has been active since ever and is never replaced. */
const FIND_BY_KEY_ID = {
  name: 'find-key-by-id',
  query_timeout: READ_DEADLINE_MS,
  text: `
    SELECT key.created_at AS activated_at, NULL AS retires_at, key.sealed_signing_secret,
           ${keyColumns('key.id')}
      FROM api_keys key
      JOIN tenants tenant ON tenant.id = key.tenant_id
     WHERE key.id = $1`,
}

export interface KeySourceDeps {
  readonly pool: pg.Pool
  /** Opens signing secrets. */
  readonly envelope: Envelope
  /** This start of this server, under which it flushes counts of quotas. */
  readonly nodeId: string
}

/** Reads keys from PostgreSQL for verification. Rejects with UNAVAILABLE when the database does not answer. */
export function createKeySource({ pool, envelope, nodeId }: KeySourceDeps): KeySource {
  async function find(statement: pg.QueryConfig, handle: Uint8Array | string): Promise<KeyRecord | null> {
    try {
      const { rows } = await pool.query<KeyRow>({ ...statement, values: [handle, nodeId] })
      const [row] = rows
      return row === undefined ? null : toRecord(row, envelope)
    } catch (error) {
      if (!isUnavailable(error)) throw error
      throw new KeywardError('UNAVAILABLE', 'The database cannot be reached right now.', {
        retryAfterSeconds: 1,
        cause: error,
      })
    }
  }

  return {
    findByTokenHash: (tokenHash) => find(FIND_BY_TOKEN_HASH, tokenHashToBytes(tokenHash)),
    findByKeyId: (keyId) => find(FIND_BY_KEY_ID, keyId),
  }
}

function toRecord(row: KeyRow, envelope: Envelope): KeyRecord {
  return {
    keyId: row.key_id,
    tenantId: row.tenant_id,
    tenantSlug: row.tenant_slug,
    tenantIsPlatform: row.tenant_is_platform,
    tenantSuspendedAt: toInstant(row.tenant_suspended_at),
    name: row.name,
    environment: row.environment,
    ownerId: row.owner_id,
    scopes: row.scopes,
    inactiveScopes: row.inactive_scopes,
    metadata: row.metadata,
    expiresAt: toInstant(row.expires_at),
    disabledAt: toInstant(row.disabled_at),
    revokedAt: toInstant(row.revoked_at),
    secret: {
      secretId: row.secret_id,
      activatedAt: toInstant(row.activated_at),
      retiresAt: toInstant(row.retires_at),
    },
    rotationPending: row.rotation_pending,
    config: row.config as KeyConfig,
    tenantConfig: row.tenant_config as TenantConfig,
    timeZone: row.tenant_time_zone,
    operationsRevision: row.operations_revision,
    hasCredits: row.has_credits,
    signingSecret:
      row.sealed_signing_secret === null
        ? null
        : envelope.open(row.sealed_signing_secret, signingSecretPurpose(row.key_id)),
    quotas: {
      flushSequence: Number(row.flush_sequence),
      key: { day: toCounts(row.key_day), month: toCounts(row.key_month) },
      tenant: { day: toCounts(row.tenant_day), month: toCounts(row.tenant_month) },
    },
  }
}

function toCounts(rows: StoredCountRows): StoredCounts {
  return rows === null ? [] : rows.map(([periodId, used]) => ({ periodId, used }))
}

function toInstant(time: Date | null): number | null {
  return time === null ? null : time.getTime()
}
