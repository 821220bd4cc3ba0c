import { KeywardError } from '../../errors/keyward-error.ts'
import { type ClientIp, peerIp } from '../../http/client-ip.ts'
import type { RequestHead } from '../../http/request-head.ts'
import { type AccessRules, evaluateAccess } from '../access/access-rules.ts'
import type { FindSnapshot } from '../cache/find-snapshot.ts'
import type { KeySnapshot, Verifier } from '../cache/snapshot.ts'
import type { LoadedSnapshot } from '../cache/snapshot-cache.ts'
import type { NoteFirstUse } from '../usage/first-use.ts'
import type { FailedAuthenticationLimit } from './failed-authentication-limit.ts'

/**
 * Who is asking? A verifier shows a token of its own, of a key that is live and holds `keyward:verify`. It is found in the same cache as
 * the keys it asks about, so that a revoked verifier is refused on its next request.
 *
 * What is wrong with a token is told to nobody: every token that is not live is answered alike, so that this is no way
 * to learn which tokens existed. That a live key lacks the scope may be told, its holder knows it is live.
 *
 * Of a verifier's access rules those of address and time hold, so that a stolen token is of no use elsewhere. Agent and
 * origin are what a thief may write; methods and paths are those of the API that a key is made for, and so are its
 * limits: what a verifier asks is not counted.
 *
 * Both functions throw, or reject with, UNAUTHENTICATED, FORBIDDEN, UNAVAILABLE, and RATE_LIMITED in the place of
 * UNAUTHENTICATED when too many requests from the same address were not authenticated.
 */
export interface VerifierAuthentication {
  /** By an `Authorization` header (RFC 6750 §2.1). */
  authenticate(authorization: string | undefined, now: number, req: RequestHead): Verifier | Promise<Verifier>
  /**
   * By the token alone; undefined when the request names no token, or more than one. For a proxy that asks about a
   * request of somebody else: `X-Forwarded-For` is about that one, so the proxy's address is that of the connection.
   */
  authenticateToken(token: string | undefined, now: number, req: RequestHead): Verifier | Promise<Verifier>
}

export interface VerifierAuthenticationDeps {
  readonly find: FindSnapshot<RequestHead>
  readonly failures: Pick<FailedAuthenticationLimit, 'replace'>
  /** Settles when the first use of a secret is noted, or has failed to be; it never rejects. */
  readonly noteFirstUse: NoteFirstUse
  /** Asked only for a verifier that has access rules. */
  readonly clientIp: ClientIp
}

/** All who need not say who they are share one budget. */
const ANY_TENANT: Verifier = { id: 'open', tenantId: null }
const NO_RULES: AccessRules = {
  ip: undefined,
  userAgent: undefined,
  origin: undefined,
  method: undefined,
  path: undefined,
  time: undefined,
}
const SCHEME_LENGTH = 'Bearer '.length
const BEARER_PATTERN = /^bearer +([!-~]+) *$/i

/** For private networks in which everybody may verify everything; the process says so loudly when it starts. */
export const openAuthentication: VerifierAuthentication = {
  authenticate: () => ANY_TENANT,
  authenticateToken: () => ANY_TENANT,
}

export function createVerifierAuthentication(deps: VerifierAuthenticationDeps): VerifierAuthentication {
  const { find, failures, noteFirstUse, clientIp } = deps

  function identify(token: string, now: number, req: RequestHead, addressOf: ClientIp): Verifier | Promise<Verifier> {
    const found = find(token, now, req)
    if (!(found instanceof Promise)) return admit(found, now, req, addressOf)
    return found
      .then((loaded) => admit(loaded, now, req, addressOf))
      .catch((error: unknown) => {
        throw failures.replace(error, req, now)
      })
  }

  /** To ask about another key is a use too: the verifier's old token retires when its new one asks. */
  function admit(
    loaded: LoadedSnapshot,
    now: number,
    req: RequestHead,
    addressOf: ClientIp,
  ): Verifier | Promise<Verifier> {
    const { key, verifier } = requireVerifier(loaded, now)
    if (key.access !== null) requireAccess(key.access, addressOf(req), now)
    return key.secretPending ? noteFirstUse(key).then(() => verifier) : verifier
  }

  return {
    authenticate(authorization, now, req) {
      try {
        return identify(readBearerToken(authorization), now, req, clientIp)
      } catch (error) {
        throw failures.replace(error, req, now)
      }
    },
    authenticateToken(token, now, req) {
      try {
        if (token === undefined)
          throw unauthenticated('The request carries no token of a verifier, or more than one; send one.')
        return identify(token, now, req, peerIp)
      } catch (error) {
        throw failures.replace(error, req, now)
      }
    },
  }
}

/** The token of an Authorization header. The scheme's name is read in any case (RFC 9110 §11.1). */
function readBearerToken(authorization: string | undefined): string {
  if (authorization === undefined)
    throw unauthenticated('The request carries no `Authorization` header; send `Bearer` and the token of a verifier.')
  // The usual spelling is read without a regular expression. A token never holds a space.
  if (authorization.startsWith('Bearer ') && authorization.indexOf(' ', SCHEME_LENGTH) === -1) {
    return authorization.slice(SCHEME_LENGTH)
  }
  const token = BEARER_PATTERN.exec(authorization)?.[1]
  if (token === undefined)
    throw unauthenticated(
      'The `Authorization` header is not of the form `Bearer <token>`; send the token of a verifier so.',
    )
  return token
}

function requireVerifier({ snapshot }: LoadedSnapshot, now: number): { key: KeySnapshot; verifier: Verifier } {
  if (snapshot === null || !isLive(snapshot, now))
    throw unauthenticated('The token of the verifier is not valid; send one of a live key that holds `keyward:verify`.')
  if (snapshot.verifier === null) {
    throw new KeywardError(
      'FORBIDDEN',
      'The key of the verifier lacks the scope `keyward:verify`; have it added, or use another key.',
    )
  }
  return { key: snapshot, verifier: snapshot.verifier }
}

function requireAccess({ ip, time }: AccessRules, address: string | null, now: number): void {
  const denial = evaluateAccess({ ...NO_RULES, ip, time }, { ip: address ?? undefined }, now)
  if (denial !== undefined) throw new KeywardError('FORBIDDEN', denial.detail)
}

/** Whether a token stands for a key that counts, wherever and for whatever it is used. */
export function isLive(key: KeySnapshot, now: number): boolean {
  if (key.tenantSuspended || key.revoked || key.disabled) return false
  return now < key.endsAt
}

function unauthenticated(detail: string): KeywardError {
  return new KeywardError('UNAUTHENTICATED', detail)
}
