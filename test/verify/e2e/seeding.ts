import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { KeyConfig, TenantConfig } from '../../../src/configs/effective-config.ts'
import type { Environment } from '../../../src/keys/environment.ts'
import { hashToken, tokenHashToBytes } from '../../../src/keys/token.ts'
import type { RefillPolicy } from '../../../src/verify/limits/credit-refill.ts'
import { newToken } from '../key-records.ts'

/** Runs a statement as the owner of the tables. */
export type Query = <Row extends pg.QueryResultRow>(sql: string, values?: unknown[]) => Promise<Row[]>

/**
 * Rows as the control plane would have left them, for tests that are about what verification makes of them. What a server has
 * in memory already does not change by them.
 */
export interface TenantOptions {
  readonly config?: TenantConfig
  readonly timeZone?: string
  readonly keyPrefix?: string
  readonly isPlatform?: boolean
  readonly suspendedAt?: number | null
}

export async function seedTenant(query: Query, options: TenantOptions = {}): Promise<string> {
  const tenantId = randomUUID()
  const { config = {}, timeZone = 'UTC', keyPrefix = 'acme', isPlatform = false, suspendedAt = null } = options
  await query(
    `INSERT INTO tenants (id, slug, name, key_prefix, time_zone, is_platform, config, suspended_at, created_at, updated_at)
     VALUES ($1, $2, 'Tenant', $3, $4, $5, $6, $7, now(), now())`,
    [tenantId, `t-${tenantId}`, keyPrefix, timeZone, isPlatform, config, toDate(suspendedAt)],
  )
  return tenantId
}

export interface KeyOptions extends SecretOptions {
  readonly config?: KeyConfig
  readonly environment?: Environment
  readonly scopes?: readonly string[]
  readonly expiresAt?: number | null
  readonly disabledAt?: number | null
  readonly revokedAt?: number | null
  readonly credits?: CreditOptions
}

export interface CreditOptions {
  readonly amount: number
  readonly refill?: RefillPolicy
  /** When they were last filled up. */
  readonly refilledAt?: number
}

export interface SeededKey {
  readonly keyId: string
  readonly tenantId: string
  readonly token: string
}

export async function seedKey(query: Query, tenantId: string, options: KeyOptions = {}): Promise<SeededKey> {
  const keyId = randomUUID()
  const { config = {}, environment = 'PRODUCTION', scopes = [] } = options
  await query(
    `INSERT INTO api_keys (id, tenant_id, name, environment, scopes, config, expires_at, disabled_at, revoked_at,
                           created_at, updated_at)
     VALUES ($1, $2, $3, $4::environment, $5, $6, $7, $8, $9, now(), now())`,
    [
      keyId,
      tenantId,
      `key ${keyId}`,
      environment,
      scopes,
      config,
      toDate(options.expiresAt),
      toDate(options.disabledAt),
      toDate(options.revokedAt),
    ],
  )
  if (options.credits !== undefined) await insertCredits(query, tenantId, keyId, options.credits)
  const { token } = await seedSecret(query, { keyId, tenantId }, options)
  return { keyId, tenantId, token }
}

async function insertCredits(query: Query, tenantId: string, keyId: string, credits: CreditOptions): Promise<void> {
  const { amount, refill, refilledAt = 0 } = credits
  await query(
    `INSERT INTO api_key_credits (api_key_id, tenant_id, remaining, base, refill_amount, refill_every, refilled_at)
     VALUES ($1, $2, $3, $3, $4, $5::refill_interval, $6)`,
    [keyId, tenantId, amount, refill?.amount ?? null, refill?.every ?? null, new Date(refilledAt)],
  )
}

export interface SecretOptions {
  /** A string of any form; a new one of our grammar when absent. */
  readonly token?: string
  /** Null: it waits for its first use. */
  readonly activatedAt?: number | null
  readonly retiresAt?: number | null
  readonly graceSeconds?: number
}

export interface SeededSecret {
  readonly secretId: string
  readonly token: string
}

/** One more secret of a key. */
export async function seedSecret(
  query: Query,
  { keyId, tenantId }: Pick<SeededKey, 'keyId' | 'tenantId'>,
  options: SecretOptions = {},
): Promise<SeededSecret> {
  const secretId = randomUUID()
  const { token = newToken(), activatedAt = 0, retiresAt = null, graceSeconds = null } = options
  await query(
    `INSERT INTO api_key_secrets (id, tenant_id, api_key_id, hash, start, activated_at, retires_at, grace_seconds, created_at)
     VALUES ($1, $2, $3, $4, 'start', $5, $6, $7, now())`,
    [
      secretId,
      tenantId,
      keyId,
      tokenHashToBytes(hashToken(token)),
      toDate(activatedAt),
      toDate(retiresAt),
      graceSeconds,
    ],
  )
  return { secretId, token }
}

/** What the database holds for a key or a tenant, over all its periods. */
export async function readQuota(query: Query, subjectId: string, unit: 'day' | 'month'): Promise<number> {
  const sql = 'SELECT coalesce(sum(used), 0)::int AS used FROM quota_counts WHERE subject_id = $1 AND unit = $2'
  const [row] = await query<{ used: number }>(sql, [subjectId, unit])
  return row?.used ?? 0
}

/** Credits that are neither spent nor leased. */
export async function readCredits(query: Query, keyId: string): Promise<number> {
  const sql = 'SELECT remaining::int FROM api_key_credits WHERE api_key_id = $1'
  const [row] = await query<{ remaining: number }>(sql, [keyId])
  if (row === undefined) throw new Error('The key has no credits.')
  return row.remaining
}

/** Verdicts of every code that were written for a key. */
export async function readRequestCount(query: Query, keyId: string): Promise<number> {
  const sql = 'SELECT request_count::int AS count FROM api_key_usage WHERE api_key_id = $1'
  const [row] = await query<{ count: number }>(sql, [keyId])
  return row?.count ?? 0
}

function toDate(instant: number | null | undefined): Date | null {
  return instant === null || instant === undefined ? null : new Date(instant)
}
