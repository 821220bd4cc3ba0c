import type { KeyConfig, TenantConfig } from '../configs/effective-config.ts'
import type { Environment } from '../keys/environment.ts'
import type { TokenHash } from '../keys/token.ts'
import type { StoredQuotas } from './limits/limits.ts'
import type { QuotaFlush } from './limits/quota-ledger.ts'
import type { VerdictCode } from './verdict-code.ts'
import type { Tag } from './verify-request.ts'

/**
 * What the data plane needs from outside. `app.ts` wires these ports; nothing in `verify/` knows what is behind them.
 * Instants are milliseconds since the Unix epoch, ids are UUIDs as PostgreSQL prints them.
 */

/** All that a verification must know about a token, as one read of the source finds it. */
export interface KeyRecord {
  readonly keyId: string
  readonly tenantId: string
  readonly tenantSlug: string
  /** Whether the tenant is the one that the installation is run from: its verifiers may verify any key. */
  readonly tenantIsPlatform: boolean
  readonly tenantSuspendedAt: number | null
  readonly name: string
  readonly environment: Environment
  readonly ownerId: string | null
  readonly scopes: readonly string[]
  /** Names that the tenant's catalogue has switched off and the key holds, by themselves or by a wildcard. */
  readonly inactiveScopes: readonly string[]
  /** A JSON value. */
  readonly metadata: unknown
  readonly expiresAt: number | null
  readonly disabledAt: number | null
  readonly revokedAt: number | null
  /** The secret whose token was presented. */
  readonly secret: KeySecretRecord
  /** Whether another secret of the key waits for its first use. */
  readonly rotationPending: boolean
  /** What the key, and its tenant, have set; see `configs/effective-config.ts`. */
  readonly config: KeyConfig
  readonly tenantConfig: TenantConfig
  /** Changes with each import of the tenant's operations; null before the first. */
  readonly operationsRevision: string | null
  /** The tenant's IANA zone, in which its days and months begin. */
  readonly timeZone: string
  /** Whether the key spends credits. */
  readonly hasCredits: boolean
  /** Null for a key that signs no requests, and for one that was found by its token. */
  readonly signingSecret: Uint8Array | null
  readonly quotas: StoredQuotas
}

export interface KeySecretRecord {
  readonly secretId: string
  /** Null while the secret waits for its first use. */
  readonly activatedAt: number | null
  /** When the secret stops counting because another took its place. */
  readonly retiresAt: number | null
}

export interface KeySource {
  /**
   * The key that a token belongs to, or null when there is none. The read sees at least everything that was committed
   * before the call. Rejects with UNAVAILABLE when no answer can be had; it never takes that for null. Whatever else it
   * rejects with is about this key alone.
   */
  findByTokenHash(tokenHash: TokenHash): Promise<KeyRecord | null>
  /** The same for a key that is named by its id and shows no token: its record has a secret that always counts. */
  findByKeyId(keyId: string): Promise<KeyRecord | null>
}

/** Counts of one key since the last flush. */
export interface KeyUsage {
  readonly keyId: string
  readonly tenantId: string
  readonly requestCount: number
  readonly lastUsedAt: number
  /** Null when no verifier said an address since the last flush. */
  readonly lastUsedIp: string | null
}

/** Verdicts of one code for one key in one minute. */
export interface MinuteUsage {
  readonly keyId: string
  readonly tenantId: string
  /** First instant of the minute. */
  readonly minute: number
  readonly code: VerdictCode
  readonly count: number
}

/** Of those verdicts, how many had a tag. A flush may say several times something of the same tag and code. */
export interface TagUsage extends MinuteUsage {
  /** `OTHER_TAG` (`usage/tag-tally.ts`) for those that were too many to keep. */
  readonly tag: Tag
}

/** When a token was last shown. For a key that was named by its id it is the id, and names no token. */
export interface SecretUse {
  readonly secretId: string
  readonly lastUsedAt: number
}

export interface SecretActivator {
  /**
   * Makes a secret that waits for its first use count from now on, and lets the grace of those that it replaces begin.
   * Of several calls one does it; the others find it done.
   */
  activate(secret: { readonly secretId: string; readonly keyId: string }): Promise<void>
}

export interface QuotaSink {
  /**
   * Adds the counts exactly once for each sequence of this node, however often it is called. Rejects when that is not
   * certain.
   */
  write(flush: QuotaFlush): Promise<void>
  /**
   * Keeps the sink from forgetting how far this node has written. To be called now and then by a node that has nothing
   * to write: once forgotten, its reads would look older than what it knows, and be refused.
   */
  keepAlive(): Promise<void>
}

export interface UsageFlush {
  /** A UUID. A flush that is written again under the same id has the same content. */
  readonly id: string
  readonly keys: readonly KeyUsage[]
  readonly minutes: readonly MinuteUsage[]
  readonly tags: readonly TagUsage[]
  readonly secrets: readonly SecretUse[]
}

export interface UsageSink {
  /** Adds the counts exactly once for each flush id, however often it is called. Rejects when that is not certain. */
  write(flush: UsageFlush): Promise<void>
}
