import type { IncomingMessage, ServerResponse } from 'node:http'
import { SYSTEM } from '../actors/actor.ts'
import type { Caller } from '../actors/caller.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import { sendAnswer } from '../http/answer.ts'
import { decodeBody, findMediaTypeError, parseJson, readBodyBytes } from '../http/body.ts'
import type { ClientIp } from '../http/client-ip.ts'
import type { Route } from '../http/router.ts'
import { stringifyAscii } from '../lib/ascii-json.ts'
import type { Clock } from '../lib/clock.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { FailedAuthenticationLimit } from '../verify/authentication/failed-authentication-limit.ts'
import type { HandleLeakReport } from './handle-leak-report.ts'
import { parseLeakReport } from './parse-leak-report.ts'
import type { ReportKeys } from './report-keys.ts'
import { isSigned, readSignatureClaim, type SignatureClaim } from './report-signature.ts'

/**
 * `POST /leaks`: a secret scanner says which tokens it found in public, and is told which of them are ours.
 *
 *     headers ──▶ a key that counts? ──▶ body ──▶ signed by it? ──▶ findings ──▶ what is ours ──▶ policy of each tenant
 *                       └─ no: 401                     └─ no: 401, 429 for an address that fails often
 *
 * Who reports shows by the signature alone. A report that is signed is never answered 429, whatever else comes from its
 * address: an attacker must not be able to keep leaks from being reported.
 */
export interface LeaksRouteDeps {
  /** None: there is no such route on this server. */
  readonly keys: ReportKeys
  readonly handle: HandleLeakReport
  /** What strangers try here is counted with what they try as verifiers. */
  readonly failures: Pick<FailedAuthenticationLimit, 'replace'>
  readonly clientIp: ClientIp
  readonly clock: Clock
}

export const LEAKS_PATH = '/leaks'

/** Room for as many findings as are read, each with an address of some hundred bytes. */
const BODY_BYTES_MAX = 1024 * 1024
/** Signed reports that are handled at once; each uses one connection to the database. */
const HANDLED_MAX = 2
const WAITING_MAX = 20
/**
 * Waiting and handling together. GitHub waits 30 seconds for an answer, and what was begun last may take ten more at the
 * worst.
 */
const HANDLE_MS_MAX = 18_000

export function createLeaksRoute({ keys, handle, failures, clientIp, clock }: LeaksRouteDeps): Route {
  const lane = createSemaphore({ concurrentMax: HANDLED_MAX, waitingMax: WAITING_MAX })

  function requireClaim(req: IncomingMessage): SignatureClaim {
    const claim = readSignatureClaim(keys, req.headers)
    if (claim === null) throw unauthenticated(req, 'The headers name no key that counts here, or hold no signature.')
    return claim
  }

  function unauthenticated(req: IncomingMessage, detail: string): unknown {
    return failures.replace(new KeywardError('UNAUTHENTICATED', detail), req, clock.now())
  }

  /** Keyward itself acts, on the word of whoever signed. */
  function toCaller(req: IncomingMessage, correlationId: string): Caller {
    const origin = { ip: clientIp(req), userAgent: req.headers['user-agent'] ?? null, correlationId }
    return { actor: SYSTEM, origin }
  }

  async function answer(body: Buffer, caller: Caller): Promise<string> {
    const report = parseLeakReport(parseJson(decodeBody(body)))
    if (!report.ok) throw validationFailed(report.issues)
    const endAt = performance.now() + HANDLE_MS_MAX
    const handling = lane.run(() => handle(report.findings, caller, endAt))
    if (handling === null) {
      throw new KeywardError('UNAVAILABLE', 'Too many reports wait to be handled.', { retryAfterSeconds: 30 })
    }
    return stringifyAscii(await handling)
  }

  async function handleRequest(req: IncomingMessage, res: ServerResponse, requestId: string): Promise<void> {
    if (keys.size === 0)
      throw new KeywardError('NOT_FOUND', 'This server takes no reports: LEAK_REPORT_KEYS_FILE is not set.')
    const claim = requireClaim(req)
    const mediaTypeError = findMediaTypeError(req)
    if (mediaTypeError !== null) throw mediaTypeError
    const body = await readBodyBytes(req, BODY_BYTES_MAX)
    if (!isSigned(body, claim)) throw unauthenticated(req, 'The signature is not that of the body.')
    const text = await answer(body, toCaller(req, requestId))
    sendAnswer(res, { status: 200, contentType: 'application/json', headers: [], body: text }, requestId)
  }

  return { method: 'POST', path: LEAKS_PATH, handle: handleRequest }
}
