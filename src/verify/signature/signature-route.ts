import type { IncomingMessage } from 'node:http'
import { validationFailed } from '../../errors/keyward-error.ts'
import { findMediaTypeError, parseJson, readBody } from '../../http/body.ts'
import type { DirectResponse } from '../../http/direct-response.ts'
import type { Route } from '../../http/router.ts'
import type { Clock } from '../../lib/clock.ts'
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
  /** Answers with a verdict, as `POST /verify` does. */
  readonly sendVerdict: (res: DirectResponse, verdict: Verdict, requestId: string) => void
  readonly clock: Clock
}

/** Twice that of `POST /verify`, for the headers of the protected request. */
const BODY_BYTES_MAX = 32 * 1024

export function createSignatureRoute(deps: SignatureRouteDeps): Route {
  const { authentication, verifySigned, sendVerdict, clock } = deps
  const parseRequest = createSignatureRequestParser(deps.parseVerifyRequest)

  async function handle(req: IncomingMessage, res: DirectResponse, requestId: string): Promise<void> {
    const verifier = await authentication.authenticate(req.headers.authorization, clock.now(), req)
    const mediaTypeError = findMediaTypeError(req)
    if (mediaTypeError !== null) throw mediaTypeError
    const parse = parseRequest(parseJson(await readBody(req, BODY_BYTES_MAX)))
    if (!parse.ok) throw validationFailed(parse.issues)
    sendVerdict(res, await verifySigned(parse.request, verifier, clock.now()), requestId)
  }

  return { method: 'POST', path: '/verify/signature', handle }
}
