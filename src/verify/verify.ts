import { KeywardError } from '../errors/keyward-error.ts'
import type { Clock } from '../lib/clock.ts'
import { evaluateScopeQuery, findMissingInQuery } from '../scopes/scope-query.ts'
import { findMissingScopes } from '../scopes/scope-set.ts'
import { evaluateAccess } from './access/access-rules.ts'
import type { FindSnapshot } from './find-snapshot.ts'
import type { LimitDecision } from './limits/limit-decision.ts'
import type { Limits } from './limits/limits.ts'
import type { KeySnapshot, Verifier } from './snapshot.ts'
import type { LoadedSnapshot } from './snapshot-cache.ts'
import type { UsageRecorder } from './usage-recorder.ts'
import { NOT_FOUND, type Verdict } from './verdict.ts'
import { DENIAL_DETAILS, type DenialCode, type VerdictCounts } from './verdict-code.ts'
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
 * What costs nothing and consumes nothing comes first, so that a denied request has consumed nothing.
 *
 * Budget: a token that is in memory costs no SQL and no waiting: the function then returns a Verdict, not a promise. A cold
 * one costs one SQL statement, shared by all who ask for it at the same time. Two rare things are waited for: a new
 * lease of credits, and the first use of a token that a rotation made.
 *
 * When the database is down: tokens in memory are answered as before, and after their age limit with `stale: true` up to
 * the configured staleness; others reject with UNAVAILABLE (`snapshot-cache.ts`). Limits go on in memory. When counts
 * cannot be written, verification does not notice (`usage-recorder.ts`, `quota-flusher.ts`).
 */
export type Verify = (request: VerifyRequest, verifier: Verifier, now: number) => Verdict | Promise<Verdict>

export interface VerifyDeps {
  readonly find: FindSnapshot
  /** Reads the key again, although it is in memory. */
  readonly reload: (token: string) => Promise<LoadedSnapshot>
  readonly limits: Pick<Limits, 'admit'>
  /** Settles when the first use of a secret is noted, or has failed to be; it never rejects. */
  readonly noteFirstUse: (key: KeySnapshot) => Promise<void>
  readonly usage: Pick<UsageRecorder, 'record'>
  /** Increased in place. */
  readonly counts: VerdictCounts
  readonly clock: Clock
}

export function createVerify(deps: VerifyDeps): Verify {
  const { find, reload, limits, noteFirstUse, usage, counts, clock } = deps

  function verify(request: VerifyRequest, verifier: Verifier, now: number): Verdict | Promise<Verdict> {
    const found = find(request.key, now)
    if (found instanceof Promise) return found.then((loaded) => answer(loaded, request, verifier, clock.now()))
    return answer(found, request, verifier, now)
  }

  function answer(
    loaded: LoadedSnapshot,
    request: VerifyRequest,
    verifier: Verifier,
    now: number,
  ): Verdict | Promise<Verdict> {
    const verdict = decide(loaded, request, verifier, now)
    const { snapshot: key } = verdict
    if (verdict.code !== 'VALID' || key === null) return conclude(verdict, request, now)
    if (key.limits === null) return admit(verdict, key, request, now)

    const decision = limits.admit(key.limits, key, request.cost, now)
    if (decision instanceof Promise) return decision.then((made) => applyLimits(made, verdict, key, request, now))
    // The counts of the day or month left memory before the key did.
    if (decision.outcome === 'unloaded') return answerReloaded(request, verifier)
    return applyLimits(decision, verdict, key, request, now)
  }

  async function answerReloaded(request: VerifyRequest, verifier: Verifier): Promise<Verdict> {
    const loaded = await reload(request.key)
    const now = clock.now()
    const verdict = decide(loaded, request, verifier, now)
    const { snapshot: key } = verdict
    if (verdict.code !== 'VALID' || key === null) return conclude(verdict, request, now)
    if (key.limits === null) return admit(verdict, key, request, now)
    return applyLimits(await limits.admit(key.limits, key, request.cost, now), verdict, key, request, now)
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
    if (verdict.snapshot !== null) usage.record(verdict.snapshot, verdict.code, now, request.ip)
    return verdict
  }

  return verify
}

/** The rules that consume nothing, in order of precedence. The first that denies is the answer. */
function decide(loaded: LoadedSnapshot, request: VerifyRequest, verifier: Verifier, now: number): Verdict {
  const { snapshot: key, stale } = loaded

  // 1. The key exists. One that the verifier may not see took the same way here and is answered in the same bytes.
  if (key === null || !maySee(verifier, key)) return NOT_FOUND

  // 2. Its tenant is not suspended.
  if (key.tenantSuspended) return deny('TENANT_SUSPENDED', key, stale)

  // 3. It was not revoked.
  if (key.revoked) return deny('REVOKED', key, stale)

  // 4. It is not disabled.
  if (key.disabled) return deny('DISABLED', key, stale)

  // 5. It has not expired, and no other token has taken the place of this one.
  if (now >= key.expiresAt) return deny('EXPIRED', key, stale)
  if (now >= key.secretRetiresAt) return deny('EXPIRED', key, stale, 'Another token of the key has replaced this one.')

  // 6. It belongs to the environment that is asked for.
  if (request.environment !== undefined && request.environment !== key.environment) {
    const detail = `The key belongs to ${key.environment}, not to ${request.environment}.`
    return deny('ENVIRONMENT_MISMATCH', key, stale, detail)
  }

  // 7. It may be used from this address, agent and origin, for this method and path, at this time.
  if (key.access !== null) {
    const denial = evaluateAccess(key.access, request, now)
    if (denial !== undefined) return deny(denial.code, key, stale, denial.detail)
  }

  // 8. The operation that is asked for is known, where that is what decides.
  if (request.requireOperationScope) {
    return deny('INSUFFICIENT_SCOPE', key, stale, 'No imported operation has this method and path.')
  }

  // 9. It holds every scope that is asked for.
  const missingScopes = findMissing(request, key)
  if (missingScopes !== null) return denyScopes(key, stale, missingScopes)

  return describe('VALID', null, key, stale, null)
}

function maySee(verifier: Verifier, key: KeySnapshot): boolean {
  return verifier.tenantId === null || verifier.tenantId === key.tenantId
}

function findMissing({ scopes, scopeQuery }: VerifyRequest, key: KeySnapshot): readonly string[] | null {
  if (scopes.length === 0 && scopeQuery === undefined) return null
  const missing = findMissingScopes(key.scopes, scopes)
  if (scopeQuery === undefined || evaluateScopeQuery(scopeQuery, key.scopes)) return missing.length > 0 ? missing : null
  return [...new Set([...missing, ...findMissingInQuery(scopeQuery, key.scopes)])]
}

function denyScopes(key: KeySnapshot, stale: boolean, missingScopes: readonly string[]): Verdict {
  return describe('INSUFFICIENT_SCOPE', `The key lacks ${missingScopes.join(', ')}.`, key, stale, missingScopes)
}

function deny(code: DenialCode, key: KeySnapshot, stale: boolean, detail = DENIAL_DETAILS[code]): Verdict {
  return describe(code, detail, key, stale, null)
}

const NO_LIMITS: Verdict['limits'] = []

function describe(
  code: Verdict['code'],
  detail: string | null,
  snapshot: KeySnapshot,
  stale: boolean,
  missingScopes: readonly string[] | null,
): Verdict {
  return {
    code,
    detail,
    snapshot,
    stale,
    missingScopes,
    limits: NO_LIMITS,
    creditsRemaining: null,
    retryAfterSeconds: null,
  }
}
