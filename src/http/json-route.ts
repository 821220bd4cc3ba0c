import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../lib/logger.ts'
import { type Answer, sendAnswer } from './answer.ts'
import { decodeBody, findMediaTypeError, readBody } from './body.ts'
import { toProblemAnswer } from './problem.ts'
import type { RequestHead } from './request-head.ts'
import type { Route } from './router.ts'

/** What a route does that takes one JSON body and answers with one. What it throws, or rejects with, becomes problem details. */
export interface JsonRouteSpec<Caller> {
  readonly path: string
  readonly bodyBytesMax: number
  /** Who is asking. Comes before the body is looked at, so that a stranger's bytes are never parsed. */
  readonly authenticate: (head: RequestHead) => Caller | Promise<Caller>
  readonly answer: (body: string, caller: Caller, requestId: string) => JsonAnswer | Promise<JsonAnswer>
}

/** With status 200. Everything in it is ASCII. */
export interface JsonAnswer {
  readonly body: string
  /** A flat list of names and values. */
  readonly headers: readonly string[]
}

/**
 * A route that can be asked in two ways, which give the same answers: with a request that Node's server is still reading,
 * and with one that has come whole. The second way promises nothing that is not awaited: when nothing has to be waited
 * for, the answer is there when the function returns.
 */
export interface JsonRoute extends Route {
  readonly bodyBytesMax: number
  /** Never throws, and never rejects. The media type has been looked at. */
  answerWhole(request: WholeRequest): Answer | Promise<Answer>
}

export interface WholeRequest extends RequestHead {
  readonly requestId: string
  /** From `bodyStart` on they are the body. */
  readonly bytes: Buffer
  readonly bodyStart: number
}

export function createJsonRoute<Caller>(spec: JsonRouteSpec<Caller>, logger: Pick<Logger, 'error'>): JsonRoute {
  const { path, bodyBytesMax, authenticate, answer } = spec

  async function handle(req: IncomingMessage, res: ServerResponse, requestId: string): Promise<void> {
    const caller = await authenticate(req)
    const mediaTypeError = findMediaTypeError(req)
    if (mediaTypeError !== null) throw mediaTypeError
    const text = await readBody(req, bodyBytesMax)
    sendAnswer(res, toAnswer(await answer(text, caller, requestId)), requestId)
  }

  function answerWhole(request: WholeRequest): Answer | Promise<Answer> {
    try {
      const caller = authenticate(request)
      const answering =
        caller instanceof Promise ? caller.then((found) => answerBody(request, found)) : answerBody(request, caller)
      if (answering instanceof Promise) return answering.then(toAnswer).catch((error) => fail(request, error))
      return toAnswer(answering)
    } catch (error) {
      return fail(request, error)
    }
  }

  function answerBody({ bytes, bodyStart, requestId }: WholeRequest, caller: Caller): JsonAnswer | Promise<JsonAnswer> {
    return answer(decodeBody(bytes, bodyStart), caller, requestId)
  }

  function fail({ requestId }: WholeRequest, error: unknown): Answer {
    return toProblemAnswer(error, requestId, logger)
  }

  return { method: 'POST', path, bodyBytesMax, handle, answerWhole }
}

export function isJsonRoute(route: Route): route is JsonRoute {
  return 'answerWhole' in route
}

function toAnswer({ body, headers }: JsonAnswer): Answer {
  return { status: 200, contentType: 'application/json', headers, body }
}
