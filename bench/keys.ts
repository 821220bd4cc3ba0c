import { createHash } from 'node:crypto'
import type { KeyConfig, TenantConfig } from '../src/configs/effective-config.ts'
import { generateToken, hashToken, type TokenHash } from '../src/keys/token.ts'
import type { KeyRecord, KeySource } from '../src/verify/ports.ts'

/**
 * The keys of the bench, by number, so that every process of a run knows the same ones: the bytes of a token come from
 * a hash of its number.
 *
 * All checks are on: each tenant sets an IP allow list and limits per minute and day, high enough to admit, and each
 * request says an address and asks for a scope.
 */
export const HOT_KEYS = 10_000

/** Keys with these numbers have a limit that is soon reached. */
export const LIMITED_FIRST = 10_000_000
export const LIMITED_KEYS = 100

/** Nobody issued tokens with these numbers. */
export const UNKNOWN_FIRST = 20_000_000
export const UNKNOWN_TOKENS = 200

export const VERIFIER_INDEX = -1

/** Keys are dealt out to this many tenants in turn. */
export const TENANT_COUNT = 20

export const BENCH_TENANT_CONFIG: TenantConfig = {
  ipAllowlist: ['203.0.113.0/24', '198.51.100.0/24', '192.0.2.7', '2001:db8::/32'],
  perMinute: 1_000_000,
  perDay: 1_000_000_000,
}
export const LIMITED_KEY_CONFIG: KeyConfig = { perMinute: 10 }
export const BENCH_IP = '203.0.113.7'
export const BENCH_SCOPES = ['orders:read', 'orders:write', 'crm:*']
export const ASKED_SCOPE = 'orders:read'

export function benchToken(index: number): string {
  let round = 0
  const randomBytes = (): Uint8Array => createHash('sha512').update(`${index} ${round++}`).digest()
  return generateToken({ prefix: index === VERIFIER_INDEX ? 'kw' : 'acme', environment: 'PRODUCTION', randomBytes })
}

/** The body of a verification, also as an item of a batch. */
export function benchRequest(index: number): object {
  return { key: benchToken(index), scopes: [ASKED_SCOPE], ip: BENCH_IP }
}

export function benchTenantId(index: number): string {
  return `01900000-0000-7000-9000-${String(index % TENANT_COUNT).padStart(12, '0')}`
}

/** As it comes from the database: nothing in it is shared with another record. */
export function benchRecord(index: number): KeyRecord {
  const isVerifier = index === VERIFIER_INDEX
  const id = `01900000-0000-7000-8000-${(index + 2).toString(16).padStart(12, '0')}`
  return {
    keyId: id,
    tenantId: isVerifier ? '01900000-0000-7000-9000-ffffffffffff' : benchTenantId(index),
    tenantSlug: isVerifier ? 'platform' : `tenant-${index % TENANT_COUNT}`,
    tenantIsPlatform: isVerifier,
    tenantSuspendedAt: null,
    name: `bench key ${index}`,
    environment: 'PRODUCTION',
    ownerId: `owner-${index}`,
    scopes: isVerifier ? ['keyward:verify'] : [...BENCH_SCOPES],
    inactiveScopes: [],
    metadata: { plan: 'pro' },
    expiresAt: null,
    disabledAt: null,
    revokedAt: null,
    secret: { secretId: id, activatedAt: 0, retiresAt: null },
    rotationPending: false,
    config: index >= LIMITED_FIRST ? { ...LIMITED_KEY_CONFIG } : {},
    tenantConfig: isVerifier ? {} : { ...BENCH_TENANT_CONFIG },
    timeZone: 'UTC',
    hasCredits: false,
    operationsRevision: null,
    signingSecret: null,
    quotas: { flushSequence: 0, key: { day: [], month: [] }, tenant: { day: [], month: [] } },
  }
}

/** Knows the keys of the run by heart. */
export function createBenchKeySource(): KeySource {
  const indexes = new Map<TokenHash, number>()
  const learn = (first: number, count: number): void => {
    for (let index = first; index < first + count; index++) indexes.set(hashToken(benchToken(index)), index)
  }
  learn(VERIFIER_INDEX, 1)
  learn(0, HOT_KEYS)
  learn(LIMITED_FIRST, LIMITED_KEYS)
  return {
    async findByTokenHash(tokenHash) {
      const index = indexes.get(tokenHash)
      return index === undefined ? null : benchRecord(index)
    },
    findByKeyId: async () => null,
  }
}
