import { KeywardError } from '../errors/keyward-error.ts'
import type { Clock } from '../lib/clock.ts'
import type { FindSnapshot } from './cache/find-snapshot.ts'
import type { KeySnapshot, Verifier } from './cache/snapshot.ts'
import type { LoadedSnapshot } from './cache/snapshot-cache.ts'
import { decideLife, decideUse, deny, maySee } from './decide.ts'
import type { LimitDecision } from './limits/limit-decision.ts'
import type { Limits } from './limits/limits.ts'
import type { FindOperationMatcher } from './operations/find-matcher.ts'
import type { OperationMatcher } from './operations/operation-matcher.ts'
import { decideSignature } from './signature/decide-signature.ts'
import type { NonceStore } from './signature/nonce-port.ts'
import type { SignedVerifyRequest } from './signature/parse-signature-request.ts'
import type { SignatureWindow } from './signature/signature-window.ts'
import type { UsageRecorder } from './usage/usage-recorder.ts'
import { NOT_FOUND, type Verdict } from './verdict.ts'
import type { VerdictCounts } from './verdict-code.ts'
import type { VerifyRequest } from './verify-request.ts'

/**
 * The decision about one token, from the request to the verdict.
 *
 *     request ─▶ find ─▶ tenant ─▶ life ─▶ environment ─▶ access rules ─▶ scopes ─▶ limits ─▶ first use ─▶ VALID
 *                 │        │        │           │              │            │          │                     │
 *                 ▼        ▼        ▼           ▼              ▼            ▼          ▼                     │
 *             NOT_FOUND TENANT_  REVOKED   ENVIRONMENT_   IP_DENIED …  INSUFFICIENT_ RATE_LIMITED …          │
 *                 │    SUSPENDED DISABLED    MISMATCH          │          SCOPE        │                     │
 *                 │        │     EXPIRED        │              │            │          │                     │
 *                 └────────┴────────┴───────────┴──────┬───────┴────────────┴──────────┴─────────────────────┘
 *                                                      ▼
 *                                    one exit: counted once, recorded once, answered once
 *
 * What costs nothing and consumes nothing comes first (`decide.ts`), so that a denied request has consumed nothing. A
 * signed request names its key instead of showing a token; its signature and nonce are checked between life and
 * environment.
 *
 * Budget: a token that is in memory costs no SQL and no waiting: the function then returns a Verdict, not a promise. A cold
 * one costs one SQL statement, shared by all who ask for it at the same time; imported operations, where they are asked for,
 * another one for each tenant. Two rare things are waited for: a new
 * lease of credits, and the first use of a token that a rotation made.
 *
 * When the database is down: tokens in memory are answered as before, and after their age limit with `stale: true` up to
 * the configured staleness; others reject with UNAVAILABLE (`snapshot-cache.ts`). Limits go on in memory. When counts
 * cannot be written, verification does not notice (`usage-recorder.ts`, `quota-flusher.ts`).
 */
export type Verify = (request: VerifyRequest, verifier: Verifier, now: number) => Verdict | Promise<Verdict>

export type VerifySigned = (request: SignedVerifyRequest, verifier: Verifier, now: number) => Promise<Verdict>

export interface VerifyDeps {
  /** Looks up on the verifier's account what is not in memory. */
  readonly find: FindSnapshot<Verifier>
  /** The key that a signed request names. At once when it is in memory, otherwise a promise. */
  readonly findById: (keyId: string, now: number, payer: Verifier) => LoadedSnapshot | Promise<LoadedSnapshot>
  /** Reads a key again that is in memory, and with it the stored counts of its quotas. */
  readonly reload: Reload
  /** Asked only where method and path decide. */
  readonly findOperationMatcher: FindOperationMatcher
  readonly limits: Pick<Limits, 'admit'>
  /** Settles when the first use of a secret is noted, or has failed to be; it never rejects. */
  readonly noteFirstUse: (key: KeySnapshot) => Promise<void>
  readonly nonces: NonceStore
  readonly signatureWindow: SignatureWindow
  readonly usage: Pick<UsageRecorder, 'record'>
  /** Increased in place. */
  readonly counts: VerdictCounts
  readonly clock: Clock
}

type Reload = (key: KeySnapshot, request: VerifyRequest) => Promise<unknown>

const UNKNOWN: LoadedSnapshot = { snapshot: null, stale: false }

export function createVerify(deps: VerifyDeps): { verify: Verify; verifySigned: VerifySigned } {
  const { find, findById, limits, noteFirstUse, usage, counts, clock } = deps

  function verify(request: VerifyRequest, verifier: Verifier, now: number): Verdict | Promise<Verdict> {
    const found = find(request.key, now, verifier)
    if (found instanceof Promise) return found.then((loaded) => answer(loaded, request, verifier, clock.now()))
    return answer(found, request, verifier, now)
  }

  function answer(
    loaded: LoadedSnapshot,
    request: VerifyRequest,
    verifier: Verifier,
    now: number,
  ): Verdict | Promise<Verdict> {
    const { snapshot: key, stale } = loaded
    const denial = decideLife(loaded, verifier, now)
    if (denial !== null || key === null) return conclude(denial ?? NOT_FOUND, request, now)
    return use(key, stale, request, now)
  }

  async function verifySigned({ claim, rest }: SignedVerifyRequest, verifier: Verifier, now: number): Promise<Verdict> {
    const named =
      claim.kind === 'unnamed' || claim.keyId === null ? UNKNOWN : await findById(claim.keyId, now, verifier)
    const { snapshot: key, stale } = named
    const decidedAt = clock.now()
    // The signature is computed in any case, so that the time does not tell whether there is a key to compute it with.
    const signingKey = key !== null && maySee(verifier, key) ? key.signingKey : null
    const decision = decideSignature(claim, signingKey, deps.signatureWindow, decidedAt)
    if (key === null || signingKey === null) return conclude(NOT_FOUND, rest, decidedAt)
    const denial = decideLife(named, verifier, decidedAt)
    if (denial !== null) return conclude(denial, rest, decidedAt)

    if (decision.kind === 'denied') return conclude(deny(decision.code, key, stale, decision.detail), rest, decidedAt)
    const { nonce, nonceExpiresAt: expiresAt } = decision
    const isNew = await deps.nonces.claim({ keyId: key.keyId, nonce, expiresAt, now: decidedAt })
    if (!isNew) return conclude(deny('NONCE_REPLAYED', key, stale), rest, decidedAt)
    return use(key, stale, rest, clock.now())
  }

  function use(key: KeySnapshot, stale: boolean, request: VerifyRequest, now: number): Verdict | Promise<Verdict> {
    if (request.requireOperationScope) return useOperation(key, stale, request, now)
    return consume(decideUse(key, stale, request, now), key, request, now)
  }

  /** The scope that method and path need is looked up; where that is not in memory, it is waited for. */
  function useOperation(
    key: KeySnapshot,
    stale: boolean,
    request: VerifyRequest,
    now: number,
  ): Verdict | Promise<Verdict> {
    const { method, path } = request
    const decide = (matcher: OperationMatcher | null, decidedAt: number) => {
      const scope = method === undefined || path === undefined ? null : (matcher?.findScope(method, path) ?? null)
      return consume(decideUse(key, stale, request, decidedAt, scope), key, request, decidedAt)
    }
    const matcher = deps.findOperationMatcher(key)
    return matcher instanceof Promise ? matcher.then((found) => decide(found, clock.now())) : decide(matcher, now)
  }

  function consume(
    verdict: Verdict,
    key: KeySnapshot,
    request: VerifyRequest,
    now: number,
  ): Verdict | Promise<Verdict> {
    if (verdict.code !== 'VALID') return conclude(verdict, request, now)
    if (key.limits === null) return admit(verdict, key, request, now)

    const decision = limits.admit(key.limits, key, request.cost, now)
    if (decision instanceof Promise) return decision.then((made) => applyLoaded(made, verdict, key, request, now))
    return applyLoaded(decision, verdict, key, request, now)
  }

  function applyLoaded(
    decision: LimitDecision,
    verdict: Verdict,
    key: KeySnapshot,
    request: VerifyRequest,
    now: number,
  ): Verdict | Promise<Verdict> {
    if (decision.outcome === 'unloaded') return useReloaded(verdict, key, request)
    return applyLimits(decision, verdict, key, request, now)
  }

  /** The key left memory while it was verified, and with it the counts of the day or month. */
  async function useReloaded(verdict: Verdict, key: KeySnapshot, request: VerifyRequest): Promise<Verdict> {
    await deps.reload(key, request)
    const now = clock.now()
    const decision = key.limits === null ? UNLIMITED : await limits.admit(key.limits, key, request.cost, now)
    return applyLimits(decision, verdict, key, request, now)
  }

  /** 10. Rate limits, 11. quotas and 12. credits have room for the cost: all of them, or none consumes. */
  function applyLimits(
    decision: LimitDecision,
    verdict: Verdict,
    key: KeySnapshot,
    request: VerifyRequest,
    now: number,
  ): Verdict | Promise<Verdict> {
    if (decision.outcome === 'admitted') {
      const { limits, creditsRemaining } = decision
      return admit({ ...verdict, limits, creditsRemaining }, key, request, now)
    }
    if (decision.outcome === 'denied') {
      const { code, detail, limits, creditsRemaining, retryAfterSeconds } = decision
      return conclude({ ...verdict, code, detail, limits, creditsRemaining, retryAfterSeconds }, request, now)
    }
    throw new KeywardError('UNAVAILABLE', 'The limits of the key cannot be counted right now.', {
      retryAfterSeconds: decision.outcome === 'unavailable' ? decision.retryAfterSeconds : 1,
    })
  }

  /** 13. A token that a rotation made counts from its first use on. */
  function admit(verdict: Verdict, key: KeySnapshot, request: VerifyRequest, now: number): Verdict | Promise<Verdict> {
    if (!key.secretPending) return conclude(verdict, request, now)
    return noteFirstUse(key).then(() => conclude(verdict, request, now))
  }

  function conclude(verdict: Verdict, request: VerifyRequest, now: number): Verdict {
    counts[verdict.code]++
    if (verdict.snapshot !== null) usage.record(verdict.snapshot, verdict.code, now, request.ip, request.tags)
    return verdict
  }

  return { verify, verifySigned }
}

const UNLIMITED: LimitDecision = { outcome: 'admitted', limits: [], creditsRemaining: null }
