import type { IncomingMessage, ServerResponse } from 'node:http'
import { validationFailed } from '../../errors/keyward-error.ts'
import type { ClientIp } from '../../http/client-ip.ts'
import { problemHeaders, toKeywardError, toProblem } from '../../http/problem.ts'
import type { Route } from '../../http/router.ts'
import { stringifyAscii } from '../../lib/ascii-json.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { VerifierAuthentication } from '../authentication/verifier.ts'
import type { Verifier } from '../cache/snapshot.ts'
import type { Verdict } from '../verdict.ts'
import type { VerdictCode } from '../verdict-code.ts'
import type { Verify } from '../verify.ts'
import { type ForwardAnswer, sendForwardAnswer } from './forward-answer.ts'
import { createForwardIdentity } from './forward-identity.ts'
import { createForwardRequestParser, parseForwardQuery, readVerifierToken } from './forward-request.ts'
import { limitHeaders } from './limit-headers.ts'

/**
 * `/verify/forward`, with any method: a reverse proxy asks whether it may let a request through, and reads the answer from
 * status and headers alone.
 *
 *     who asks ─▶ query ─▶ key ─▶ verdict ─▶ 204, with who is let in
 *        │          │       │        ├─────▶ 401 the key is none, or no longer one
 *        │          │       │        ├─────▶ 429, or what `limitStatus` says: a limit, a quota, credits
 *        │          │       │        └─────▶ 403 any other denial
 *        │          │       └──────────────▶ 401 there is none, or more than one
 *        │          └──────────────────────▶ 400
 *        └─────────────────────────────────▶ 401, 403, 429
 *
 * `X-Keyward-Code` is always there. Some proxies hand the whole answer on to the stranger who is asking for entry, so a
 * denial says less than `POST /verify` does: nothing of what the key's owner wrote down about it.
 */
export interface ForwardRouteDeps {
  readonly authentication: VerifierAuthentication
  readonly verify: Verify
  /** Of the client on whose behalf the proxy asks. */
  readonly clientIp: ClientIp
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

/** A challenge (RFC 6750 §3) to the proxy's client; that to the proxy itself names another realm. */
const KEY_CHALLENGE = 'Bearer realm="api"'

export function createForwardRoute({ authentication, verify, clientIp, clock, logger }: ForwardRouteDeps): Route {
  const parseRequest = createForwardRequestParser()
  const identify = createForwardIdentity()

  function decide(req: IncomingMessage, verifier: Verifier, requestId: string): ForwardAnswer | Promise<ForwardAnswer> {
    const parsedQuery = parseForwardQuery(req.url ?? '')
    if (!parsedQuery.ok) throw validationFailed(parsedQuery.issues)
    const { query } = parsedQuery
    const parse = parseRequest({ headers: req.headersDistinct, query, clientIp: clientIp(req) })
    if (!parse.ok) return refuseWithoutKey(parse.detail, requestId)
    const toAnswer = (verdict: Verdict): ForwardAnswer =>
      verdict.code === 'VALID' ? admit(verdict) : deny(verdict, query.limitStatus, requestId)
    const verdict = verify(parse.request, verifier, clock.now())
    return verdict instanceof Promise ? verdict.then(toAnswer) : toAnswer(verdict)
  }

  function admit(verdict: Verdict): ForwardAnswer {
    return { status: 204, code: 'VALID', headers: [...identify(verdict), ...limitHeaders(verdict)], body: null }
  }

  function fail(thrown: unknown, requestId: string): ForwardAnswer {
    const error = toKeywardError(thrown)
    if (error.code === 'INTERNAL') logger.error({ err: thrown, requestId }, 'A request failed.')
    const body = stringifyAscii(toProblem(error, requestId))
    return { status: error.spec.status, code: error.code, headers: problemHeaders(error), body }
  }

  async function decideLater(req: IncomingMessage, verifier: Promise<Verifier>, requestId: string) {
    return decide(req, await verifier, requestId)
  }

  function handle(req: IncomingMessage, res: ServerResponse, requestId: string): void | Promise<void> {
    const send = (answer: ForwardAnswer): void => sendForwardAnswer(req, res, answer, requestId)
    try {
      const verifier = authentication.authenticateToken(readVerifierToken(req.headersDistinct), clock.now(), req)
      const answer =
        verifier instanceof Promise ? decideLater(req, verifier, requestId) : decide(req, verifier, requestId)
      if (answer instanceof Promise) return answer.catch((error: unknown) => fail(error, requestId)).then(send)
      send(answer)
    } catch (error) {
      send(fail(error, requestId))
    }
  }

  return { method: '*', path: '/verify/forward', handle }
}

function refuseWithoutKey(detail: string, requestId: string): ForwardAnswer {
  const code = 'UNAUTHENTICATED'
  const headers = ['WWW-Authenticate', KEY_CHALLENGE]
  return { status: 401, code, headers, body: formatDenial({ status: 401, code, detail, requestId }) }
}

function deny(verdict: Verdict, limitStatus: number, requestId: string): ForwardAnswer {
  const { code, detail, missingScopes, retryAfterSeconds } = verdict
  const status = statusOf(code, limitStatus)
  const headers = limitHeaders(verdict)
  if (status === 401) headers.push('WWW-Authenticate', `${KEY_CHALLENGE}, error="invalid_token"`)
  const body = formatDenial({
    status,
    code,
    detail,
    requestId,
    ...(missingScopes !== null && { missingScopes }),
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
  })
  return { status, code, headers, body }
}

function statusOf(code: VerdictCode, limitStatus: number): number {
  switch (code) {
    case 'NOT_FOUND':
    case 'REVOKED':
    case 'DISABLED':
    case 'EXPIRED':
      return 401
    case 'RATE_LIMITED':
    case 'QUOTA_EXCEEDED':
    case 'CREDITS_EXHAUSTED':
      return limitStatus
    default:
      return 403
  }
}

interface Denial {
  readonly status: number
  readonly code: string
  readonly detail: string | null
  readonly requestId: string
  readonly missingScopes?: readonly string[]
  readonly retryAfterSeconds?: number
}

/** Problem details (RFC 9457), ASCII. */
function formatDenial(denial: Denial): string {
  const type = `urn:keyward:verdict:${denial.code.toLowerCase().replaceAll('_', '-')}`
  return stringifyAscii({ type, title: 'The request was not let through', ...denial })
}
