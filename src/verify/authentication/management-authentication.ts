import type { IncomingMessage } from 'node:http'
import { KeywardError } from '../../errors/keyward-error.ts'
import type { ClientIp } from '../../http/client-ip.ts'
import type { RequestHead } from '../../http/request-head.ts'
import type { ScopeSet } from '../../scopes/scope-set.ts'
import { evaluateAccess } from '../access/access-rules.ts'
import type { FindSnapshot } from '../cache/find-snapshot.ts'
import type { KeySnapshot } from '../cache/snapshot.ts'
import type { NoteFirstUse } from '../usage/first-use.ts'
import type { FailedAuthenticationLimit } from './failed-authentication-limit.ts'
import { isLive } from './verifier.ts'

/** A live key whose holder asks about the installation itself. */
export interface ManagementKey {
  readonly keyId: string
  readonly tenantId: string
  readonly tenantIsPlatform: boolean
  readonly scopes: ScopeSet
}

/**
 * Which key a machine shows that uses the control plane. It is found in the same cache as all keys, so that a revoked one is
 * refused on its next request, and what strangers try is counted with what they try as verifiers.
 *
 * Of the key's access rules those hold that are about who asks: address, user agent, origin and time. Methods and paths
 * are those of the API that the key was made for, and so are its limits.
 *
 * Rejects with UNAUTHENTICATED for every token that is not of a live key, FORBIDDEN for one that may not be used from
 * here, UNAVAILABLE, and RATE_LIMITED in the place of UNAUTHENTICATED when too many from the same address failed.
 */
export type AuthenticateManager = (token: string, req: IncomingMessage, now: number) => Promise<ManagementKey>

export interface ManagementAuthenticationDeps {
  readonly find: FindSnapshot<RequestHead>
  readonly failures: Pick<FailedAuthenticationLimit, 'replace'>
  readonly noteFirstUse: NoteFirstUse
  readonly clientIp: ClientIp
}

export function createManagementAuthentication(deps: ManagementAuthenticationDeps): AuthenticateManager {
  const { find, failures, noteFirstUse, clientIp } = deps

  async function findLive(token: string, req: IncomingMessage, now: number): Promise<KeySnapshot> {
    const { snapshot } = await find(token, now, req)
    if (snapshot !== null && isLive(snapshot, now)) return snapshot
    throw new KeywardError('UNAUTHENTICATED', 'The token is not one that counts.')
  }

  return async (token, req, now) => {
    const key = await findLive(token, req, now).catch((error: unknown) => {
      throw failures.replace(error, req, now)
    })
    requireAccess(key, req, clientIp(req), now)
    if (key.secretPending) await noteFirstUse(key)
    return key
  }
}

function requireAccess({ access }: KeySnapshot, req: IncomingMessage, ip: string | null, now: number): void {
  if (access === null) return
  const { 'user-agent': userAgent, origin } = req.headers
  const rules = { ...access, method: undefined, path: undefined }
  const denial = evaluateAccess(rules, { ip: ip ?? undefined, userAgent, origin }, now)
  if (denial !== undefined) throw new KeywardError('FORBIDDEN', denial.detail)
}
