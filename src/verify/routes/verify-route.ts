import { validationFailed } from '../../errors/keyward-error.ts'
import { parseJson } from '../../http/body.ts'
import { createJsonRoute, type JsonAnswer, type JsonRoute } from '../../http/json-route.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { VerifierAuthentication } from '../authentication/verifier.ts'
import type { Verifier } from '../cache/snapshot.ts'
import type { Verdict } from '../verdict.ts'
import { formatVerdict } from '../verdict-json.ts'
import type { Verify } from '../verify.ts'
import { limitHeaders } from './limit-headers.ts'
import { createVerifyRequestParser } from './parse-verify-request.ts'

/**
 * `POST /verify`: one JSON body in, one verdict out. A denial is a successful answer.
 *
 * When both tokens are in memory, everything from the last byte of the body to the answer happens in one turn of the
 * event loop.
 */
export interface VerifyRouteDeps {
  readonly authentication: Pick<VerifierAuthentication, 'authenticate'>
  readonly verify: Verify
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

const BODY_BYTES_MAX = 16 * 1024

export function createVerifyRoute({ authentication, verify, clock, logger }: VerifyRouteDeps): JsonRoute {
  const parseRequest = createVerifyRequestParser()

  function answer(body: string, verifier: Verifier, requestId: string): JsonAnswer | Promise<JsonAnswer> {
    const parse = parseRequest(parseJson(body))
    if (!parse.ok) throw validationFailed(parse.issues)
    const verdict = verify(parse.request, verifier, clock.now())
    if (verdict instanceof Promise) return verdict.then((found) => toAnswer(found, requestId))
    return toAnswer(verdict, requestId)
  }

  return createJsonRoute(
    {
      path: '/verify',
      bodyBytesMax: BODY_BYTES_MAX,
      authenticate: (head) => authentication.authenticate(head.headers.authorization, clock.now(), head),
      answer,
    },
    logger,
  )
}

/** A verdict as an answer, with what it says of limits in headers. */
export function toAnswer(verdict: Verdict, requestId: string): JsonAnswer {
  return { body: formatVerdict(verdict, requestId), headers: limitHeaders(verdict) }
}
