import { randomBytes, randomUUID } from 'node:crypto'
import { KeywardError } from '../../src/errors/keyward-error.ts'
import type { Environment } from '../../src/keys/environment.ts'
import { generateToken, hashToken, type TokenHash } from '../../src/keys/token.ts'
import { createConfigRulesCompiler } from '../../src/verify/cache/config-rules.ts'
import { createSnapshotCompiler } from '../../src/verify/cache/snapshot.ts'
import type { KeyRecord, KeySource } from '../../src/verify/ports.ts'

export const TENANT_ACME = '01900000-0000-7000-8000-00000000000a'

/** A key without restrictions, of the tenant `acme`. */
export function keyRecord(overrides: Partial<KeyRecord> = {}): KeyRecord {
  return {
    keyId: randomUUID(),
    tenantId: TENANT_ACME,
    tenantSlug: 'acme',
    tenantIsPlatform: false,
    tenantSuspendedAt: null,
    name: 'orders service',
    environment: 'PRODUCTION',
    ownerId: null,
    scopes: [],
    inactiveScopes: [],
    metadata: {},
    expiresAt: null,
    disabledAt: null,
    revokedAt: null,
    secret: { secretId: randomUUID(), activatedAt: 0, retiresAt: null },
    rotationPending: false,
    config: {},
    tenantConfig: {},
    timeZone: 'UTC',
    hasCredits: false,
    operationsRevision: null,
    signingSecret: null,
    quotas: { flushSequence: 0, key: { day: [], month: [] }, tenant: { day: [], month: [] } },
    ...overrides,
  }
}

/** Compiles records as the data plane does when the operator has set no defaults. */
export const compileSnapshot = createSnapshotCompiler(createConfigRulesCompiler({ system: {} }))

export function newToken(prefix = 'acme', environment: Environment = 'PRODUCTION'): string {
  return generateToken({ prefix, environment, randomBytes })
}

/** What a read is rejected with when the database cannot be reached. */
export function sourceAway(): KeywardError {
  const cause = new Error('connect ECONNREFUSED 10.1.2.3:5432')
  return new KeywardError('UNAVAILABLE', 'The source is away.', { retryAfterSeconds: 1, cause })
}

export interface MemoryKeySource extends KeySource {
  readonly records: Map<TokenHash, KeyRecord>
  /** Rejects every read while true. */
  isDown: boolean
  readCount: number
  put(token: string, record: KeyRecord): void
}

export function createMemoryKeySource(): MemoryKeySource {
  const source: MemoryKeySource = {
    records: new Map(),
    isDown: false,
    readCount: 0,
    put: (token, record) => source.records.set(hashToken(token), record),
    async findByTokenHash(tokenHash) {
      source.readCount++
      if (source.isDown) throw sourceAway()
      return source.records.get(tokenHash) ?? null
    },
    async findByKeyId(keyId) {
      source.readCount++
      if (source.isDown) throw sourceAway()
      return source.records.values().find((record) => record.keyId === keyId) ?? null
    },
  }
  return source
}

export interface PendingRead {
  readonly tokenHash: TokenHash
  answer(record: KeyRecord | null): void
  fail(error: Error): void
}

export interface ControlledKeySource extends KeySource {
  /** Reads that were begun and not answered, oldest first. The test removes what it answers. */
  readonly pending: PendingRead[]
}

/** A source whose reads end when the test says so, and with what it says. */
export function createControlledKeySource(): ControlledKeySource {
  const pending: PendingRead[] = []
  return {
    pending,
    findByKeyId: () => Promise.reject(new Error('Nothing asks this source by id.')),
    findByTokenHash(tokenHash) {
      const { promise, resolve, reject } = Promise.withResolvers<KeyRecord | null>()
      pending.push({ tokenHash, answer: resolve, fail: reject })
      return promise
    },
  }
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
