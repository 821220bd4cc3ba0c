import type pg from 'pg'
import { hashToken, tokenStart } from '../src/keys/token.ts'
import { BENCH_SCOPES, BENCH_TENANT_CONFIG, benchTenantId, benchToken, TENANT_COUNT } from './keys.ts'

/**
 * Writes the keys of the bench, with the ids, tokens and configuration that `keys.ts` says, into a database that is
 * migrated and empty. By sets and not by commands: a million commands would take an hour.
 *
 * The login has to be a superuser's, so that references, which are right, need not be looked up row by row.
 */
export async function fillDatabase(client: pg.Client, keyCount: number): Promise<void> {
  await client.query('SET session_replication_role = replica')
  await client.query('SET synchronous_commit = off')
  await client.query(INSERT_TENANTS, [
    Array.from({ length: TENANT_COUNT }, (_, index) => benchTenantId(index)),
    BENCH_TENANT_CONFIG,
  ])
  await client.query(INSERT_SCOPES, [CATALOGUE])
  for (let first = 0; first < keyCount; first += CHUNK_KEYS) {
    const tokens = Array.from({ length: Math.min(CHUNK_KEYS, keyCount - first) }, (_, place) =>
      benchToken(first + place),
    )
    const count = tokens.length
    await client.query(INSERT_KEYS, [first, count, BENCH_SCOPES])
    await client.query(INSERT_SECRETS, [first, tokens.map(hashToken), tokens.map(tokenStart)])
  }
  // Otherwise PostgreSQL would do it sooner or later, in the middle of a measurement.
  await client.query('VACUUM (ANALYZE) api_keys, api_key_secrets, tenants, scopes')
}

const CATALOGUE = ['orders:read', 'orders:write', 'crm:read', 'crm:write']

/** Bounds the memory of one statement; larger ones are not faster. */
const CHUNK_KEYS = 20_000

const INSERT_TENANTS = `
  INSERT INTO tenants (id, slug, name, key_prefix, config, created_at, updated_at)
  SELECT id::uuid, 'tenant-' || place - 1, 'Tenant ' || place - 1, 'acme', $2, now(), now()
    FROM unnest($1::text[]) WITH ORDINALITY AS tenant(id, place)`

const INSERT_SCOPES = `
  INSERT INTO scopes (id, tenant_id, name, created_at, updated_at)
  SELECT gen_random_uuid(), tenant.id, scope.name, now(), now()
    FROM tenants tenant, unnest($1::text[]) AS scope(name)`

/** As `benchTenantId` and `benchRecord` number them. */
const TENANT_ID = `('01900000-0000-7000-9000-' || lpad((index % ${TENANT_COUNT})::text, 12, '0'))::uuid`
const KEY_ID = `('01900000-0000-7000-8000-' || lpad(to_hex(index + 2), 12, '0'))::uuid`
const SECRET_ID = `('01900000-0000-7000-a000-' || lpad(to_hex(index + 2), 12, '0'))::uuid`

const INSERT_KEYS = `
  INSERT INTO api_keys (id, tenant_id, name, environment, owner_id, scopes, metadata, created_at, updated_at)
  SELECT ${KEY_ID}, ${TENANT_ID}, 'bench key ' || index, 'PRODUCTION', 'owner-' || index, $3, '{"plan": "pro"}', now(), now()
    FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS index`

const INSERT_SECRETS = `
  INSERT INTO api_key_secrets (id, tenant_id, api_key_id, hash, start, activated_at, created_at)
  SELECT ${SECRET_ID}, ${TENANT_ID}, ${KEY_ID}, decode(hash, 'hex'), start, now(), now()
    FROM (SELECT hash, start, $1::bigint + place - 1 AS index
            FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS token(hash, start, place)) AS token`
