import { type InputIssue, type KeywardError, validationFailed } from '../../errors/keyward-error.ts'
import { parseJson } from '../../http/body.ts'
import { createJsonRoute, type JsonRoute } from '../../http/json-route.ts'
import { toKeywardError, toProblem } from '../../http/problem.ts'
import { stringifyAscii } from '../../lib/ascii-json.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { VerifierAuthentication } from '../authentication/verifier.ts'
import type { Verifier } from '../cache/snapshot.ts'
import { formatVerdict } from '../verdict-json.ts'
import type { Verify } from '../verify.ts'
import { decideInOrder } from './decide-in-order.ts'
import { createVerifyRequestParser, type VerifyRequestParse } from './parse-verify-request.ts'

/**
 * `POST /verify/batch`: up to 1000 verifications in one request. Each result is what `POST /verify` would have answered
 * to that item alone: a verdict, or `{"error": <problem>}`. Pointers in a problem lead into the item. All share the
 * request's id.
 */
export interface BatchRouteDeps {
  readonly authentication: Pick<VerifierAuthentication, 'authenticate'>
  readonly verify: Verify
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

const BODY_BYTES_MAX = 2 * 1024 * 1024
/** As many as the contract promises. Higher, and one request keeps others waiting for longer. */
const VERIFICATIONS_MAX = 1_000

export function createBatchRoute({ authentication, verify, clock, logger }: BatchRouteDeps): JsonRoute {
  const parseRequest = createVerifyRequestParser()

  async function answer(text: string, verifier: Verifier, requestId: string): Promise<string> {
    const results = await decideInOrder({
      items: readVerifications(parseJson(text)).map(parseRequest),
      nameOf: (parse) => (parse.ok ? parse.request.key : ''),
      decide: (parse) => decide(parse, verifier, requestId),
      fail: (error) => formatError(error, requestId),
      clock,
    })
    return `{"results":[${results.join(',')}]}`
  }

  function decide(parse: VerifyRequestParse, verifier: Verifier, requestId: string): string | Promise<string> {
    if (!parse.ok) return formatError(validationFailed(parse.issues), requestId)
    const verdict = verify(parse.request, verifier, clock.now())
    if (verdict instanceof Promise) return verdict.then((found) => formatVerdict(found, requestId))
    return formatVerdict(verdict, requestId)
  }

  function formatError(thrown: unknown, requestId: string): string {
    const error = toKeywardError(thrown)
    if (error.code === 'INTERNAL') logger.error({ err: thrown, requestId }, 'A verification of a batch failed.')
    return stringifyAscii({ error: describe(error, requestId) })
  }

  return createJsonRoute(
    {
      path: '/verify/batch',
      bodyBytesMax: BODY_BYTES_MAX,
      authenticate: (head) => authentication.authenticate(head.headers.authorization, clock.now(), head),
      answer: async (body, verifier, requestId) => ({ body: await answer(body, verifier, requestId), headers: [] }),
    },
    logger,
  )
}

/** An item has no headers, so the time to wait stands beside the problem. */
function describe(error: KeywardError, requestId: string): object {
  const problem = toProblem(error, requestId)
  const { retryAfterSeconds } = error
  return retryAfterSeconds === undefined ? problem : { ...problem, retryAfterSeconds }
}

function readVerifications(body: unknown): readonly unknown[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid([], 'It is an object.')
  for (const name in body) if (name !== 'verifications') throw invalid([name], 'There is no such field.')
  if (!('verifications' in body)) throw invalid(['verifications'], 'It is required.')
  const { verifications } = body
  if (!Array.isArray(verifications)) throw invalid(['verifications'], 'It is a list of verifications.')
  if (verifications.length > VERIFICATIONS_MAX) {
    throw invalid(['verifications'], `It has at most ${VERIFICATIONS_MAX} entries.`)
  }
  return verifications
}

function invalid(path: InputIssue['path'], detail: string): KeywardError {
  return validationFailed([{ path, detail }])
}
