import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { createPool } from '../../src/db/pool.ts'
import { createKeySource } from '../../src/keys/key-source.ts'
import { hashToken, tokenHashToBytes } from '../../src/keys/token.ts'
import { createEnvelope } from '../../src/secrets/envelope.ts'
import { createUsageStore } from '../../src/usage/usage-store.ts'
import type { KeyRecord } from '../../src/verify/ports.ts'
import { createTestDatabase } from '../harness/database.ts'
import { openOwnerPool } from '../harness/store-database.ts'
import { describeVerify } from './verify-contract.ts'
import type { Backing } from './verify-fixture.ts'

const PUT_TENANT = `
  INSERT INTO tenants (id, slug, name, key_prefix, is_platform, suspended_at, created_at, updated_at)
  VALUES ($1, $2, $2, 'acme', $3, $4, now(), now())
  ON CONFLICT (id) DO UPDATE SET suspended_at = excluded.suspended_at`

const PUT_INACTIVE_SCOPE = `
  INSERT INTO scopes (id, tenant_id, name, active, created_at, updated_at)
  VALUES ($1, $2, $3, false, now(), now()) ON CONFLICT DO NOTHING`

const PUT_KEY = `
  INSERT INTO api_keys (id, tenant_id, name, environment, owner_id, scopes, metadata, expires_at, disabled_at, revoked_at,
                        created_at, updated_at)
  VALUES ($1, $2, $3, $4::environment, $5, $6, $7, $8, $9, $10, now(), now())
  ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, disabled_at = excluded.disabled_at,
                                 revoked_at = excluded.revoked_at`

const PUT_SECRET = `
  INSERT INTO api_key_secrets (id, tenant_id, api_key_id, hash, start, activated_at, retires_at, created_at)
  VALUES ($1, $2, $3, $4, 'start', $5, $6, now()) ON CONFLICT (hash) DO UPDATE SET retires_at = excluded.retires_at`

/** PostgreSQL as the server uses it, filled by the owner of the tables. */
async function openPostgresBacking(): Promise<Backing> {
  const database = await createTestDatabase()
  const owner = openOwnerPool(database)
  const pool = createPool({ url: database.url, log: { warn: () => undefined } })
  const envelope = createEnvelope(randomBytes(32))
  return {
    source: createKeySource({ pool, envelope, nodeId: randomUUID() }),
    sink: createUsageStore(pool),
    put: (token, record) => put(owner, token, record),
    async readRequestCount(keyId) {
      const { rows } = await owner.query('SELECT request_count FROM api_key_usage WHERE api_key_id = $1', [keyId])
      return Number(rows[0]?.request_count ?? 0)
    },
    async close() {
      await pool.end()
      await owner.end()
      await database.drop()
    },
  }
}

async function put(owner: pg.Pool, token: string, record: KeyRecord): Promise<void> {
  const { keyId, tenantId, secret } = record
  await owner.query(PUT_TENANT, [
    tenantId,
    record.tenantSlug,
    record.tenantIsPlatform,
    toDate(record.tenantSuspendedAt),
  ])
  for (const name of record.inactiveScopes) await owner.query(PUT_INACTIVE_SCOPE, [randomUUID(), tenantId, name])
  await owner.query(PUT_KEY, [
    keyId,
    tenantId,
    record.name,
    record.environment,
    record.ownerId,
    record.scopes,
    record.metadata,
    toDate(record.expiresAt),
    toDate(record.disabledAt),
    toDate(record.revokedAt),
  ])
  const hash = tokenHashToBytes(hashToken(token))
  const times = [toDate(secret.activatedAt), toDate(secret.retiresAt)]
  await owner.query(PUT_SECRET, [randomUUID(), tenantId, keyId, hash, ...times])
}

function toDate(instant: number | null): Date | null {
  return instant === null ? null : new Date(instant)
}

describeVerify('keys in PostgreSQL', openPostgresBacking)
