import type { IncomingMessage } from 'node:http'
import { validationFailed } from '../../errors/keyward-error.ts'
import { findMediaTypeError, parseJson, receiveBody } from '../../http/body.ts'
import type { DirectResponse } from '../../http/direct-response.ts'
import { sendProblem } from '../../http/problem.ts'
import type { Route } from '../../http/router.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { VerifierAuthentication } from '../authentication/verifier.ts'
import type { Verifier } from '../cache/snapshot.ts'
import type { Verdict } from '../verdict.ts'
import { formatVerdict } from '../verdict-json.ts'
import type { Verify } from '../verify.ts'
import { formatLimitFields } from './limit-headers.ts'
import { createVerifyRequestParser } from './parse-verify-request.ts'

/**
 * `POST /verify`: one JSON body in, one verdict out. A denial is a successful answer.
 *
 * The verifier is authenticated before the body is read, so that a stranger's bytes are never parsed. When both tokens
 * are in memory, everything from the last byte of the body to the answer happens in one turn of the event loop.
 */
export interface VerifyRouteDeps {
  readonly authentication: VerifierAuthentication
  readonly verify: Verify
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

const BODY_BYTES_MAX = 16 * 1024

export function createVerifyRoute({ authentication, verify, clock, logger }: VerifyRouteDeps): Route {
  const parseRequest = createVerifyRequestParser()

  function handle(req: IncomingMessage, res: DirectResponse, requestId: string): void | Promise<void> {
    const verifier = authentication.authenticate(req.headers.authorization, clock.now(), req)
    if (verifier instanceof Promise) return verifier.then((found) => receive(req, res, requestId, found))
    receive(req, res, requestId, verifier)
  }

  function receive(req: IncomingMessage, res: DirectResponse, requestId: string, verifier: Verifier): void {
    const mediaTypeError = findMediaTypeError(req)
    if (mediaTypeError !== null) throw mediaTypeError
    const fail = (error: unknown): void => sendProblem(res, error, requestId, logger)
    receiveBody(req, BODY_BYTES_MAX, {
      onError: fail,
      onBody(text) {
        try {
          const verdict = answer(text, verifier)
          if (verdict instanceof Promise) verdict.then((found) => sendVerdict(res, found, requestId)).catch(fail)
          else sendVerdict(res, verdict, requestId)
        } catch (error) {
          fail(error)
        }
      },
    })
  }

  function answer(text: string, verifier: Verifier): Verdict | Promise<Verdict> {
    const parse = parseRequest(parseJson(text))
    if (!parse.ok) throw validationFailed(parse.issues)
    return verify(parse.request, verifier, clock.now())
  }

  return { method: 'POST', path: '/verify', handle }
}

/** Answers with a verdict, and with what it says of limits in headers. */
export function sendVerdict(res: DirectResponse, verdict: Verdict, requestId: string): void {
  res.sendJson(formatVerdict(verdict, requestId), requestId, formatLimitFields(verdict))
}
