import { evaluateScopeQuery, findMissingInQuery } from '../scopes/scope-query.ts'
import { findMissingScopes } from '../scopes/scope-set.ts'
import type { FindSnapshot } from './find-snapshot.ts'
import type { KeySnapshot, Verifier } from './snapshot.ts'
import type { LoadedSnapshot } from './snapshot-cache.ts'
import type { UsageRecorder } from './usage-recorder.ts'
import { DENIAL_DETAILS, type DenialCode, type Verdict, type VerdictCounts } from './verdict.ts'
import type { VerifyRequest } from './verify-request.ts'

/**
 * The decision about one token, from the request to the verdict.
 *
 *     request ─▶ find ─▶ tenant ─▶ revoked ─▶ disabled ─▶ expired ─▶ environment ─▶ scopes ─▶ VALID
 *                 │        │          │           │           │            │           │        │
 *                 ▼        ▼          ▼           ▼           ▼            ▼           ▼        ▼
 *             NOT_FOUND  TENANT_   REVOKED    DISABLED     EXPIRED   ENVIRONMENT_ INSUFFICIENT_ │
 *                 │      SUSPENDED    │           │           │       MISMATCH      SCOPE       │
 *                 └────────┴──────────┴───────────┴─────┬─────┴────────────┴───────────┴────────┘
 *                                                       ▼
 *                                     one exit: counted once, recorded once, answered once
 *
 * Budget: a token that is in memory costs no SQL and no waiting: the function then returns a Verdict, not a promise. A cold one
 * costs one SQL statement, shared by all who ask for it at the same time.
 *
 * When the database is down: tokens in memory are answered as before, and after their age limit with `stale: true` up to the configured
 * staleness; others reject with UNAVAILABLE (`snapshot-cache.ts`). When counts cannot be written, verification does
 * not notice (`usage-recorder.ts`).
 */
export type Verify = (request: VerifyRequest, verifier: Verifier, now: number) => Verdict | Promise<Verdict>

export interface VerifyDeps {
  readonly find: FindSnapshot
  readonly usage: Pick<UsageRecorder, 'record'>
  /** Increased in place. */
  readonly counts: VerdictCounts
}

export function createVerify({ find, usage, counts }: VerifyDeps): Verify {
  function conclude(loaded: LoadedSnapshot, request: VerifyRequest, verifier: Verifier, now: number): Verdict {
    const verdict = decide(loaded, request, verifier, now)
    counts[verdict.code]++
    if (verdict.snapshot !== null) usage.record(verdict.snapshot, verdict.code, now, request.ip)
    return verdict
  }

  return (request, verifier, now) => {
    const found = find(request.key, now)
    if (found instanceof Promise) return found.then((loaded) => conclude(loaded, request, verifier, now))
    return conclude(found, request, verifier, now)
  }
}

/** The rules in order of precedence. The first that denies is the answer. */
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

  // 7. It holds every scope that is asked for.
  const missingScopes = findMissing(request, key)
  if (missingScopes !== null) return denyScopes(key, stale, missingScopes)

  return { code: 'VALID', detail: null, snapshot: key, stale, missingScopes: null }
}

const NOT_FOUND: Verdict = {
  code: 'NOT_FOUND',
  detail: DENIAL_DETAILS.NOT_FOUND,
  snapshot: null,
  stale: false,
  missingScopes: null,
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
  const detail = `The key lacks ${missingScopes.join(', ')}.`
  return { code: 'INSUFFICIENT_SCOPE', detail, snapshot: key, stale, missingScopes }
}

function deny(code: DenialCode, key: KeySnapshot, stale: boolean, detail = DENIAL_DETAILS[code]): Verdict {
  return { code, detail, snapshot: key, stale, missingScopes: null }
}
