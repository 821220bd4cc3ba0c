import type { SystemConfig } from '../configs/effective-config.ts'
import { createClientIp, createForwardedClientIp } from '../http/client-ip.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { Route } from '../http/router.ts'
import { hashToken } from '../keys/token.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import {
  createFailedAuthenticationLimit,
  type FailedAuthenticationLimit,
  type FailedAuthenticationStats,
} from './authentication/failed-authentication-limit.ts'
import { type AuthenticateManager, createManagementAuthentication } from './authentication/management-authentication.ts'
import { createTokenHashes } from './authentication/token-hashes.ts'
import { createVerifierAuthentication, openAuthentication } from './authentication/verifier.ts'
import { CACHE_KEYS_DEFAULT } from './cache/cache-size.ts'
import { createConfigRulesCompiler } from './cache/config-rules.ts'
import { createFindSnapshot } from './cache/find-snapshot.ts'
import { toKeyIdHandle } from './cache/key-handle.ts'
import { createReadFailureLog } from './cache/read-failure-log.ts'
import { createSnapshotCompiler, type Verifier } from './cache/snapshot.ts'
import { createSnapshotCache, type SnapshotCache } from './cache/snapshot-cache.ts'
import { createUnknownLookupBudget, type UnknownLookupStats } from './cache/unknown-lookup-budget.ts'
import type { CreditStore } from './limits/credit-lease.ts'
import { createLimits, type Limits } from './limits/limits.ts'
import { createFindOperationMatcher, type OperationSource } from './operations/find-matcher.ts'
import type { KeySource, QuotaSink, SecretActivator, UsageSink } from './ports.ts'
import { createBatchRoute } from './routes/batch-route.ts'
import { createForwardRoute } from './routes/forward-route.ts'
import { createVerifyRequestParser } from './routes/parse-verify-request.ts'
import { createVerifyRoute, toAnswer } from './routes/verify-route.ts'
import type { NonceStore } from './signature/nonce-port.ts'
import { createSignatureRoute } from './signature/signature-route.ts'
import type { SignatureWindow } from './signature/signature-window.ts'
import { createNoteFirstUse } from './usage/first-use.ts'
import { createQuotaFlusher } from './usage/quota-flusher.ts'
import { createUsageRecorder, type UsageRecorder } from './usage/usage-recorder.ts'
import { createVerdictCounts, type VerdictCounts } from './verdict-code.ts'
import { createVerify, type Verify } from './verify.ts'

/** The parts of the data plane, put together. What they need from outside comes in as ports. */
export interface DataPlane {
  readonly routes: readonly Route[]
  /** What the routes ask, without HTTP. */
  readonly verify: Verify
  /** For the control plane, whose machines show keys of the same cache. */
  readonly authenticateManager: AuthenticateManager
  /** For whoever else refuses strangers: what one address fails is counted together. */
  readonly authenticationFailures: Pick<FailedAuthenticationLimit, 'replace'>
  /** To be told of every committed change that can alter a verdict. */
  readonly cache: SnapshotCache
  readonly limits: Pick<Limits, 'revokeLease' | 'leasedCredits' | 'sizes'>
  readonly usage: Pick<UsageRecorder, 'stats'>
  readonly verdictCounts: Readonly<VerdictCounts>
  readonly failedAuthentications: Readonly<FailedAuthenticationStats>
  readonly unknownLookups: Readonly<UnknownLookupStats>
  /** To be called when the server listens: from now on what is counted is written each second. */
  start(): void
  /** Writes all that was counted before the call. */
  flush(): Promise<void>
  /** To be called when the server has stopped: writes what is left and gives leased credits back. */
  stop(): Promise<void>
}

export interface DataPlaneDeps {
  readonly keySource: KeySource
  /** Absent: no operations are imported anywhere. */
  readonly operationSource?: OperationSource
  readonly usageSink: UsageSink
  readonly quotaSink: QuotaSink
  readonly creditStore: CreditStore
  readonly secretActivator: SecretActivator
  readonly nonceStore: NonceStore
  readonly signatureWindow: SignatureWindow
  /** The operator's defaults, below what tenants and keys set. */
  readonly systemConfig: SystemConfig
  /** Whether tokens with this prefix are of our making alone; see `FindSnapshotDeps`. */
  readonly isIssuedPrefix: (prefix: string) => boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Makes UUIDs. */
  readonly newId: () => string
  /** Lets everybody verify every key. Only for private networks. */
  readonly openVerification: boolean
  /** Addresses and CIDRs of proxies whose `X-Forwarded-For` is believed; absent: none. */
  readonly trustedProxies?: readonly string[]
  /** What one verifier may have looked up in vain. */
  readonly unknownLookups?: { readonly ratePerSecond: number; readonly burst: number }
  /** What one address may fail in a minute before it is slowed down. */
  readonly failedAuthenticationsPerMinute?: number
  /** How old the last known state of a key may be while the database is unavailable. */
  readonly staleMaxMs?: number
  /** Keys in memory at most. */
  readonly cacheKeys?: number
}

/** As long as a read of a key may take. */
const LEASE_DEADLINE_MS = 2_000

/**
 * Keys that are no longer in memory and whose limits still count something, at most: each takes 0.3 KB. Higher, and a
 * churn of keys with limits per hour takes more memory; lower, and it is sooner that keys are refused.
 */
const COUNTED_KEYS_MAX = 220_000

const NO_OPERATIONS: OperationSource = { findOperations: async () => [] }

export function createDataPlane(deps: DataPlaneDeps): DataPlane {
  const { clock, logger, isIssuedPrefix, trustedProxies = [], cacheKeys = CACHE_KEYS_DEFAULT } = deps
  const staleness = deps.staleMaxMs === undefined ? {} : { staleMaxMs: deps.staleMaxMs }
  const limits = createLimits({
    creditStore: deps.creditStore,
    nowMs: () => clock.now(),
    isKeyHeld: (keyId) => cache.holdsKey(keyId),
    isTenantHeld: (tenantId) => cache.holdsTenant(tenantId),
    // Counts outlive a key in memory: one that is pushed out and comes back goes on counting. Where there is no room for
    // counts, keys are refused, so that a small cache must not make room scarce.
    keysMax: cacheKeys + COUNTED_KEYS_MAX,
    leaseTimeoutMs: LEASE_DEADLINE_MS,
    onCreditFailure: (keyId, error) => logger.warn({ err: error, keyId }, 'Credits could not be leased or given back.'),
  })
  const compileConfigRules = createConfigRulesCompiler({
    system: deps.systemConfig,
    onIssues: ({ keyId, tenantId }, issues) =>
      logger.warn({ keyId, tenantId, issues }, 'Configuration that cannot be read restricts instead of allowing.'),
  })
  const cache = createSnapshotCache({
    source: deps.keySource,
    clock,
    compileSnapshot: createSnapshotCompiler(compileConfigRules),
    onRead: (snapshot, { quotas }, readAt) =>
      snapshot.limits === null || limits.load(snapshot.limits, snapshot, quotas, readAt) !== 'stale',
    onReadFailure: createReadFailureLog({ clock, logger }),
    knownMax: cacheKeys,
    ...staleness,
  })
  const unknownLookups = createUnknownLookupBudget({ cache, ...deps.unknownLookups })
  const { lookUp, admit } = unknownLookups
  const find = createFindSnapshot<Verifier>({ cache, isIssuedPrefix, lookUp, admit })
  const usage = createUsageRecorder({ sink: deps.usageSink, newId: deps.newId, logger })
  const verdictCounts = createVerdictCounts()
  const quotas = createQuotaFlusher({ limits, sink: deps.quotaSink, clock, logger })
  const noteFirstUse = createNoteFirstUse(deps.secretActivator, logger)
  const parseVerifyRequest = createVerifyRequestParser()
  const { verify, verifySigned } = createVerify({
    find,
    findById(keyId, now, verifier) {
      const handle = toKeyIdHandle(keyId)
      const entry = cache.peek(handle, now)
      return entry === undefined ? lookUp(handle, now, verifier) : admit(entry, now, verifier)
    },
    reload: ({ keyId }, { key }) => cache.load(key === '' ? toKeyIdHandle(keyId) : hashToken(key), clock.now()),
    findOperationMatcher: createFindOperationMatcher(deps.operationSource ?? NO_OPERATIONS),
    nonces: deps.nonceStore,
    signatureWindow: deps.signatureWindow,
    limits,
    noteFirstUse,
    usage,
    counts: verdictCounts,
    clock,
  })
  const clientIp = createClientIp(trustedProxies)
  const failures = createFailedAuthenticationLimit({
    load: cache.load,
    clientIp,
    clock,
    ...(deps.failedAuthenticationsPerMinute !== undefined && { failuresMax: deps.failedAuthenticationsPerMinute }),
  })
  const findVerifier = createFindSnapshot<RequestHead>({
    cache,
    isIssuedPrefix,
    hash: createTokenHashes(),
    lookUp: failures.lookUp,
  })
  const authentication = deps.openVerification
    ? openAuthentication
    : createVerifierAuthentication({ find: findVerifier, failures, noteFirstUse, clientIp })
  const routes = [
    createVerifyRoute({ authentication, verify, clock, logger }),
    createSignatureRoute({ authentication, verifySigned, parseVerifyRequest, toAnswer, clock, logger }),
    createBatchRoute({ authentication, verify, clock, logger }),
    createForwardRoute({ authentication, verify, clientIp: createForwardedClientIp(trustedProxies), clock, logger }),
  ]
  return {
    routes,
    authenticateManager: createManagementAuthentication({ find: findVerifier, failures, noteFirstUse, clientIp }),
    verify,
    cache,
    limits,
    usage,
    verdictCounts,
    authenticationFailures: failures,
    failedAuthentications: failures.stats,
    unknownLookups: unknownLookups.stats,
    start() {
      usage.start()
      quotas.start()
    },
    async flush() {
      await Promise.all([usage.flush(), quotas.flush()])
    },
    async stop() {
      // The one that fails must not keep the other from writing.
      const ends = await Promise.allSettled([usage.stop(), quotas.stop()])
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    },
  }
}
