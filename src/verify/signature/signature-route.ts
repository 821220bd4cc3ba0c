import { validationFailed } from '../../errors/keyward-error.ts'
import { parseJson } from '../../http/body.ts'
import { createJsonRoute, type JsonAnswer, type JsonRoute } from '../../http/json-route.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { VerifierAuthentication } from '../authentication/verifier.ts'
import type { ParseVerifyRequest } from '../routes/parse-verify-request.ts'
import type { Verdict } from '../verdict.ts'
import type { VerifySigned } from '../verify.ts'
import { createSignatureRequestParser } from './parse-signature-request.ts'

/**
 * `POST /verify/signature`: the same as `POST /verify`, for a request that was signed with a key's signing secret
 * instead of carrying its token. Each accepted request waits for its nonce to be written, so nothing is gained here by
 * avoiding promises.
 */
export interface SignatureRouteDeps {
  readonly authentication: Pick<VerifierAuthentication, 'authenticate'>
  readonly verifySigned: VerifySigned
  readonly parseVerifyRequest: ParseVerifyRequest
  /** A verdict as an answer, as `POST /verify` gives it. */
  readonly toAnswer: (verdict: Verdict, requestId: string) => JsonAnswer
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

/** Twice that of `POST /verify`, for the headers of the protected request. */
const BODY_BYTES_MAX = 32 * 1024

export function createSignatureRoute(deps: SignatureRouteDeps): JsonRoute {
  const { authentication, verifySigned, toAnswer, clock, logger } = deps
  const parseRequest = createSignatureRequestParser(deps.parseVerifyRequest)
  return createJsonRoute(
    {
      path: '/verify/signature',
      bodyBytesMax: BODY_BYTES_MAX,
      authenticate: (head) => authentication.authenticate(head.headers.authorization, clock.now(), head),
      async answer(body, verifier, requestId) {
        const parse = parseRequest(parseJson(body))
        if (!parse.ok) throw validationFailed(parse.issues)
        return toAnswer(await verifySigned(parse.request, verifier, clock.now()), requestId)
      },
    },
    logger,
  )
}
