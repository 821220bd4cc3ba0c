import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { GraphQLSchema } from 'graphql'
import { createLRUCache, createYoga, type Plugin } from 'graphql-yoga'
import type { Caller } from '../actors/caller.ts'
import type { CommandRunner } from '../commands/command-runner.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { findMediaTypeError, readBody } from '../http/body.ts'
import type { Route } from '../http/router.ts'
import type { Logger } from '../lib/logger.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { GraphQLContext } from './context.ts'
import { allowOrigin, answerPreflight, CSRF_HEADER } from './cors.ts'
import { costLimits } from './cost-limits.ts'
import { documentLimits } from './document-limits.ts'
import { errorFormat } from './format-error.ts'
import { sendGraphiql, wantsGraphiql } from './graphiql.ts'
import { type OperationParams, readBodyParams, readParsedBody, readUrlParams } from './graphql-params.ts'
import { type LargeBodyReader, receiveChunks } from './large-body.ts'
import { BODY_BYTES_MAX, DOCUMENTS_REMEMBERED_MAX, LARGE_BODIES_MAX, LARGE_BODY_BYTES_MAX } from './limits.ts'
import { type LongText, placeStandIns, restoreTextsInJson } from './long-texts.ts'
import type { PersistedOperations } from './persisted-operations.ts'
import type { Points } from './points.ts'
import { toExpectedError } from './user-errors.ts'

export interface GraphQLRouteDeps {
  readonly schema: GraphQLSchema
  readonly commands: CommandRunner
  readonly identify: (req: IncomingMessage, requestId: string) => Promise<Caller>
  readonly services: Omit<GraphQLContext, 'caller' | 'provenUserIds' | 'changedIds' | 'longTexts' | 'execute'>
  readonly largeBodies: LargeBodyReader
  /** Origins whose pages may read answers; empty: none but our own. */
  readonly corsOrigins: readonly string[]
  /** What each caller may spend. */
  readonly points: Points
  /** Documents that are known by their hash. */
  readonly operations: PersistedOperations
  readonly logger: Logger
  /** Whether an error means that the database cannot answer right now. */
  readonly isUnavailable: (error: unknown) => boolean
  /** Whether an error means that something was deleted while it was being read. */
  readonly isGone: (error: unknown) => boolean
}

interface ServerContext {
  readonly nodeRequest: IncomingMessage
  readonly nodeResponse: ServerResponse
  readonly requestId: string
  readonly params: OperationParams
  readonly longTexts: readonly LongText[]
}

/** What a request says is to be executed. */
type Asked = Pick<ServerContext, 'params' | 'longTexts'>

export const GRAPHQL_PATH = '/graphql'

const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS'] as const

/**
 * `/graphql`: GraphiQL for browsers, and GraphQL over HTTP for everybody else.
 *
 *     request ─▶ origin ─▶ method ─▶ forgery ─▶ body ─▶ document and its limits ─▶ who ─▶ cost and what is left ─▶ fields ─▶ answer
 *
 * What fails before the document is looked at is answered with problem details, as on every other path.
 */
export function createGraphQLRoute(deps: GraphQLRouteDeps): Route {
  const origins = new Set(deps.corsOrigins)
  const yoga = createServer(deps)
  const readPost = createReadPost(deps)

  return {
    method: '*',
    path: GRAPHQL_PATH,
    async handle(req, res, requestId) {
      allowOrigin(req, res, origins)
      if (req.method === 'OPTIONS') return answerPreflight(res, requestId)
      if (wantsGraphiql(req)) return deps.operations.isRequired ? refuseGraphiql() : sendGraphiql(req, res, requestId)
      refuseMethod(req)
      refuseForgery(req)
      const asked = req.method === 'POST' ? await readPost(req, requestId) : inShort(readUrlParams(req.url ?? ''))
      const context = { nodeRequest: req, nodeResponse: res, requestId, ...asked }
      const response = await yoga.handleNodeRequestAndResponse(toYogaRequest(req), res, context)
      await send(res, response, requestId)
    },
  }
}

function createServer(deps: GraphQLRouteDeps) {
  return createYoga<ServerContext, GraphQLContext>({
    schema: deps.schema,
    graphqlEndpoint: GRAPHQL_PATH,
    graphiql: false,
    landingPage: false,
    batching: false,
    multipart: false,
    cors: false,
    maxRequestBodySize: false,
    // A document that was refused is not worth remembering.
    parserAndValidationCache: {
      documentCache: createLRUCache({ max: DOCUMENTS_REMEMBERED_MAX }),
      errorCache: { get: () => undefined, set() {} },
    },
    // What fails is logged where errors are brought into form, with the id of the request.
    logging: false,
    maskedErrors: false,
    plugins: [
      takeParams(deps.operations),
      documentLimits(),
      costLimits(deps.points),
      restoreTextsInJson(),
      errorFormat(deps),
    ],
    context: async ({ nodeRequest, requestId, longTexts }) =>
      createContext(deps, await deps.identify(nodeRequest, requestId), longTexts),
  })
}

/** Hands Yoga what was read already, with the document in the place of its hash. */
function takeParams(operations: PersistedOperations): Plugin<object, ServerContext> {
  return {
    onRequestParse: ({ serverContext: { params }, setRequestParser }) =>
      setRequestParser(() => operations.resolve(params)),
  }
}

function createContext(
  { commands, services }: GraphQLRouteDeps,
  caller: Caller,
  longTexts: readonly LongText[],
): GraphQLContext {
  const changedIds = new Set<string>()
  return {
    ...services,
    caller,
    provenUserIds: new Set(),
    changedIds,
    longTexts,
    async execute(command, input) {
      try {
        const result = await commands.run(command, caller, input)
        for (const id of findIds(result)) changedIds.add(id)
        return result
      } catch (error) {
        throw error instanceof KeywardError ? toExpectedError(error) : error
      }
    },
  }
}

/** Of the row that a command returned, or of the rows in what it returned. */
function findIds(result: unknown): readonly string[] {
  if (typeof result !== 'object' || result === null) return []
  return [result, ...Object.values(result)].flatMap((row: unknown) =>
    typeof row === 'object' && row !== null && 'id' in row && typeof row.id === 'string' ? [row.id] : [],
  )
}

function refuseGraphiql(): never {
  throw new KeywardError(
    'PERSISTED_QUERY_REQUIRED',
    'There is no GraphiQL: this server executes persisted operations alone.',
  )
}

function refuseMethod(req: IncomingMessage): void {
  if (METHODS.some((method) => method === req.method)) return
  throw new KeywardError('METHOD_NOT_ALLOWED', `This path takes ${METHODS.join(', ')}.`, { allow: METHODS })
}

function refuseForgery(req: IncomingMessage): void {
  if (req.method === 'POST' || req.headers[CSRF_HEADER] !== undefined) return
  throw new KeywardError('CSRF_HEADER_MISSING', `Send POST with a JSON body, or the header \`${CSRF_HEADER}\`.`)
}

/**
 * Strangers may send little. Who wants to send more has to say how much, and who it is, before any of it is read.
 */
function createReadPost({ identify, largeBodies }: GraphQLRouteDeps) {
  const places = createSemaphore({ concurrentMax: LARGE_BODIES_MAX, waitingMax: 0 })

  function readLarge(req: IncomingMessage): Promise<Asked> {
    const reading = places.run(async () => {
      const { value, longTexts } = await largeBodies.parse(await receiveChunks(req, LARGE_BODY_BYTES_MAX))
      const params = readParsedBody(value)
      return { params, longTexts: placeStandIns(params.variables, longTexts) }
    })
    if (reading !== null) return reading
    throw new KeywardError('UNAVAILABLE', 'Too many large requests are under way.', { retryAfterSeconds: 1 })
  }

  return async (req: IncomingMessage, requestId: string): Promise<Asked> => {
    const mediaTypeError = findMediaTypeError(req)
    if (mediaTypeError !== null) throw mediaTypeError
    const isLarge = Number(req.headers['content-length'] ?? 0) > BODY_BYTES_MAX
    const mayBeLarge = isLarge && (await identify(req, requestId)).actor.kind !== 'anonymous'
    return mayBeLarge ? readLarge(req) : inShort(readBodyParams(await readBody(req, BODY_BYTES_MAX)))
  }
}

function inShort(params: OperationParams): Asked {
  return { params, longTexts: [] }
}

/** The body was read already; another one keeps Yoga from waiting for it. HEAD is a GET whose answer Node cuts short. */
function toYogaRequest({ method, url = GRAPHQL_PATH, headers, socket }: IncomingMessage) {
  return {
    method: method === 'POST' ? 'POST' : 'GET',
    url,
    headers: { ...headers, accept: chooseAccept(headers.accept) },
    socket,
    body: ' ',
  }
}

const SERVED_TYPES = new Set([
  'application/graphql-response+json',
  'application/json',
  'application/*',
  '*/*',
  'text/event-stream',
  'multipart/mixed',
])

/**
 * The types of the Accept header that can be served. Yoga would execute the operation and find only then that it has no
 * answer in a type that the client takes; a header that names none is disregarded instead (RFC 9110 §12.5.1).
 */
function chooseAccept(accept = '*/*'): string {
  const types = accept.split(',').map((entry) => entry.split(';', 1).join('').trim().toLowerCase())
  const served = types.filter((type) => SERVED_TYPES.has(type))
  return served.length > 0 ? served.join(', ') : 'application/json'
}

async function send(res: ServerResponse, response: Response, requestId: string): Promise<void> {
  res.setHeaders(response.headers)
  res.setHeader('X-Request-Id', requestId)
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('Cache-Control', 'no-store')
  res.statusCode = response.status
  if (response.body === null) {
    res.end()
    return
  }
  await pipeline(Readable.from(response.body), res).catch((error: unknown) => {
    // A client that goes away in the middle needs no answer any more, and is no failure of ours.
    if (!res.closed) throw error
  })
}
