import type pg from 'pg'
import { isUnavailable } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { KeyRecord, KeySource } from '../verify/ports.ts'
import type { Environment } from './environment.ts'
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
}

/** One statement, from the unique index of hashes outward; named, so that PostgreSQL plans it once per connection. */
const FIND_BY_TOKEN_HASH = {
  name: 'find-key-by-token-hash',
  text: `
    SELECT key.id AS key_id, key.name, key.environment::text, key.owner_id, key.scopes, key.metadata,
           key.expires_at, key.disabled_at, key.revoked_at,
           tenant.id AS tenant_id, tenant.slug AS tenant_slug, tenant.is_platform AS tenant_is_platform,
           tenant.suspended_at AS tenant_suspended_at,
           secret.id AS secret_id, secret.activated_at, secret.retires_at,
           EXISTS (SELECT FROM api_key_secrets other
                    WHERE other.tenant_id = key.tenant_id AND other.api_key_id = key.id
                      AND other.activated_at IS NULL AND other.retires_at IS NULL) AS rotation_pending,
           ARRAY(SELECT scope.name FROM scopes scope
                  WHERE scope.tenant_id = key.tenant_id AND NOT scope.active) AS inactive_scopes
      FROM api_key_secrets secret
      JOIN api_keys key ON key.tenant_id = secret.tenant_id AND key.id = secret.api_key_id
      JOIN tenants tenant ON tenant.id = key.tenant_id
     WHERE secret.hash = $1`,
}

/** Reads keys from PostgreSQL for verification. Rejects with UNAVAILABLE when the database does not answer. */
export function createKeySource(pool: pg.Pool): KeySource {
  return {
    async findByTokenHash(tokenHash) {
      try {
        const { rows } = await pool.query<KeyRow>({ ...FIND_BY_TOKEN_HASH, values: [tokenHashToBytes(tokenHash)] })
        const [row] = rows
        return row === undefined ? null : toRecord(row)
      } catch (error) {
        if (!isUnavailable(error)) throw error
        throw new KeywardError('UNAVAILABLE', 'The database cannot be reached right now.', {
          retryAfterSeconds: 1,
          cause: error,
        })
      }
    },
  }
}

function toRecord(row: KeyRow): KeyRecord {
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
  }
}

function toInstant(time: Date | null): number | null {
  return time === null ? null : time.getTime()
}
