import { createHash } from 'node:crypto'
import { generateToken, hashToken, type TokenHash } from '../src/keys/token.ts'
import type { KeyRecord, KeySource } from '../src/verify/ports.ts'

/** The same keys in every process of a run: bytes come from a hash of the key's number. */
export const KEY_COUNT = 10_000

const TENANT_ID = '01900000-0000-7000-8000-000000000000'

export function benchToken(index: number): string {
  let round = 0
  const randomBytes = (): Uint8Array => createHash('sha512').update(`${index} ${round++}`).digest()
  return generateToken({ prefix: index === VERIFIER_INDEX ? 'kw' : 'acme', environment: 'PRODUCTION', randomBytes })
}

export const VERIFIER_INDEX = -1

export function benchRecord(index: number): KeyRecord {
  return {
    keyId: `01900000-0000-7000-8000-${(index + 2).toString(16).padStart(12, '0')}`,
    tenantId: TENANT_ID,
    tenantSlug: 'acme',
    tenantIsPlatform: index === VERIFIER_INDEX,
    tenantSuspendedAt: null,
    name: `bench key ${index}`,
    environment: 'PRODUCTION',
    ownerId: `owner-${index}`,
    scopes: index === VERIFIER_INDEX ? ['keyward:verify'] : ['orders:read', 'orders:write', 'crm:*'],
    inactiveScopes: [],
    metadata: { plan: 'pro' },
    expiresAt: null,
    disabledAt: null,
    revokedAt: null,
    secret: { secretId: TENANT_ID, activatedAt: 0, retiresAt: null },
    rotationPending: false,
    config: {},
    tenantConfig: {},
    timeZone: 'UTC',
    hasCredits: false,
    signingSecret: null,
    quotas: { flushSequence: 0, key: { day: null, month: null }, tenant: { day: null, month: null } },
  }
}

/** Knows the keys of the run by heart. */
export function createBenchKeySource(): KeySource {
  const records = new Map<TokenHash, KeyRecord>()
  for (let index = VERIFIER_INDEX; index < KEY_COUNT; index++) {
    records.set(hashToken(benchToken(index)), benchRecord(index))
  }
  return { findByTokenHash: async (tokenHash) => records.get(tokenHash) ?? null, findByKeyId: async () => null }
}
