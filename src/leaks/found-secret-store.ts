import type pg from 'pg'
import type { ApiKeyLifecycle } from '../keys/key-status.ts'
import type { TokenHash } from '../keys/token.ts'
import type { FoundToken } from './leak-response.ts'

/** A token of ours among those that were found. */
export interface FoundSecret {
  /** UUID of the secret, not of its key. */
  readonly secretId: string
  readonly key: ApiKeyLifecycle
  readonly secret: FoundToken['secret']
  /** Of what the tenant of the key sets, the policy alone: configurations are large, and there is one for each token. */
  readonly tenantConfig: unknown
}

export type FindFoundSecrets = (hashes: readonly TokenHash[]) => Promise<ReadonlyMap<TokenHash, FoundSecret>>

interface Row {
  readonly hash: TokenHash
  readonly secretId: string
  readonly activatedAt: Date | null
  readonly retiresAt: Date | null
  readonly leakedAt: Date | null
  readonly expiresAt: Date | null
  readonly disabledAt: Date | null
  readonly revokedAt: Date | null
  readonly tenantConfig: unknown
}

/** From the unique index of hashes outward, as verification goes. A first sieve, which no lock protects. $1 hashes */
const FIND = {
  name: 'find-found-secrets',
  text: `
    SELECT encode(secret.hash, 'hex') AS hash, secret.id AS "secretId", secret.activated_at AS "activatedAt",
           secret.retires_at AS "retiresAt", secret.leaked_at AS "leakedAt",
           key.expires_at AS "expiresAt", key.disabled_at AS "disabledAt", key.revoked_at AS "revokedAt",
           jsonb_strip_nulls(jsonb_build_object('leakPolicy', tenant.config -> 'leakPolicy')) AS "tenantConfig"
      FROM api_key_secrets secret
      JOIN api_keys key ON key.tenant_id = secret.tenant_id AND key.id = secret.api_key_id
      JOIN tenants tenant ON tenant.id = key.tenant_id
     WHERE secret.hash = ANY (ARRAY(SELECT decode(found.hash, 'hex') FROM unnest($1::text[]) AS found (hash)))`,
}

/** Which tokens are ours. One statement, however many there are. */
export function createFindFoundSecrets(pool: pg.Pool): FindFoundSecrets {
  return async (hashes) => {
    const { rows } = await pool.query<Row>({ ...FIND, values: [hashes] })
    return new Map(rows.map((row) => [row.hash, toFoundSecret(row)]))
  }
}

function toFoundSecret(row: Row): FoundSecret {
  const { secretId, expiresAt, disabledAt, revokedAt, activatedAt, retiresAt, leakedAt, tenantConfig } = row
  return {
    secretId,
    key: { expiresAt, disabledAt, revokedAt },
    secret: { activatedAt, retiresAt, leakedAt },
    tenantConfig,
  }
}
