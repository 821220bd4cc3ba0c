import { evaluateScopeQuery, findMissingInQuery } from '../scopes/scope-query.ts'
import { findMissingScopes } from '../scopes/scope-set.ts'
import { evaluateAccess } from './access/access-rules.ts'
import type { KeySnapshot, Verifier } from './cache/snapshot.ts'
import type { LoadedSnapshot } from './cache/snapshot-cache.ts'
import { NOT_FOUND, type Verdict } from './verdict.ts'
import { DENIAL_DETAILS, type DenialCode } from './verdict-code.ts'
import type { VerifyRequest } from './verify-request.ts'

/**
 * The rules that consume nothing, in order of precedence. The first that denies is the answer. They are pure: what
 * happens around them is in `verify.ts`.
 */

/** The rules of a key's life, whatever it is used for. Null when the key is alive. */
export function decideLife(loaded: LoadedSnapshot, verifier: Verifier, now: number): Verdict | null {
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
  if (now < key.endsAt) return null
  if (now >= key.expiresAt) return deny('EXPIRED', key, stale)
  return deny('EXPIRED', key, stale, 'Another token of the key has replaced this one.')
}

/**
 * The rules of one use of a key that is alive. `operationScope` is what the imported operation needs; null when there is
 * none, or when the request does not ask for one.
 */
export function decideUse(
  key: KeySnapshot,
  stale: boolean,
  request: VerifyRequest,
  now: number,
  operationScope: string | null = null,
): Verdict {
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
  if (request.requireOperationScope && operationScope === null) {
    return deny('INSUFFICIENT_SCOPE', key, stale, 'No imported operation has this method and path.')
  }

  // 9. It holds every scope that is asked for.
  const missingScopes = findMissing(request, key, operationScope)
  if (missingScopes !== null) return denyScopes(key, stale, missingScopes)

  return describe('VALID', null, key, stale, null)
}

export function maySee(verifier: Verifier, key: KeySnapshot): boolean {
  return verifier.tenantId === null || verifier.tenantId === key.tenantId
}

function findMissing(
  { scopes, scopeQuery }: VerifyRequest,
  key: KeySnapshot,
  operationScope: string | null,
): readonly string[] | null {
  if (scopes.length === 0 && scopeQuery === undefined && operationScope === null) return null
  const missing = findMissingScopes(key.scopes, operationScope === null ? scopes : [operationScope, ...scopes])
  if (scopeQuery === undefined || evaluateScopeQuery(scopeQuery, key.scopes)) return missing.length > 0 ? missing : null
  return [...new Set([...missing, ...findMissingInQuery(scopeQuery, key.scopes)])]
}

function denyScopes(key: KeySnapshot, stale: boolean, missingScopes: readonly string[]): Verdict {
  return describe('INSUFFICIENT_SCOPE', `The key lacks ${missingScopes.join(', ')}.`, key, stale, missingScopes)
}

export function deny(code: DenialCode, key: KeySnapshot, stale: boolean, detail = DENIAL_DETAILS[code]): Verdict {
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
