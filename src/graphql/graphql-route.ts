import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GraphQLSchema } from 'graphql'
import { createYoga } from 'graphql-yoga'
import type { Caller } from '../actors/caller.ts'
import type { CommandRunner } from '../commands/command-runner.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { findMediaTypeError, readBody } from '../http/body.ts'
import type { Route } from '../http/router.ts'
import type { Logger } from '../lib/logger.ts'
import type { GraphQLContext } from './context.ts'
import { documentLimits } from './document-limits.ts'
import { createErrorFormatter } from './format-error.ts'
import { sendGraphiql, wantsGraphiql } from './graphiql.ts'
import { BODY_BYTES_MAX } from './limits.ts'
import { toExpectedError } from './user-errors.ts'

export interface GraphQLRouteDeps {
  readonly schema: GraphQLSchema
  readonly commands: CommandRunner
  readonly identify: (req: IncomingMessage, requestId: string) => Promise<Caller>
  readonly services: Pick<GraphQLContext, 'clock' | 'prisma' | 'sessionCommands'>
  /** Origins whose pages may read answers; empty: none but our own. */
  readonly corsOrigins: readonly string[]
  readonly logger: Logger
  /** Whether an error means that the database cannot answer right now. */
  readonly isUnavailable: (error: unknown) => boolean
}

interface ServerContext {
  readonly nodeRequest: IncomingMessage
  readonly requestId: string
}

/** A page of another origin can send neither this header nor a JSON body without asking first (CORS preflight). */
const CSRF_HEADER = 'x-keyward-csrf'

export const GRAPHQL_PATH = '/graphql'

/** `/graphql`: GraphiQL for browsers, and GraphQL over HTTP for everybody else. */
export function createGraphQLRoute(deps: GraphQLRouteDeps): Route {
  const { corsOrigins, logger } = deps
  const yoga = createYoga<ServerContext, GraphQLContext>({
    schema: deps.schema,
    graphqlEndpoint: GRAPHQL_PATH,
    graphiql: false,
    landingPage: false,
    batching: false,
    multipart: false,
    cors: corsOrigins.length > 0 && {
      origin: [...corsOrigins],
      methods: ['GET', 'POST', 'OPTIONS'],
      allowedHeaders: ['authorization', 'content-type', 'x-request-id', CSRF_HEADER],
      exposedHeaders: ['x-request-id', 'retry-after'],
    },
    logging: {
      debug: (...args) => logger.debug({ args }, 'yoga'),
      info: (...args) => logger.debug({ args }, 'yoga'),
      warn: (...args) => logger.warn({ args }, 'yoga'),
      // What fails is logged where it is formatted, once.
      error: () => {},
    },
    maskedErrors: { errorMessage: 'Internal error', maskError: createErrorFormatter(deps) },
    plugins: documentLimits(),
    context: async ({ nodeRequest, requestId }) => createContext(deps, await deps.identify(nodeRequest, requestId)),
  })

  return {
    method: '*',
    path: GRAPHQL_PATH,
    async handle(req, res, requestId) {
      if (wantsGraphiql(req)) return sendGraphiql(req, res, requestId)
      refuseForgery(req)
      const body = req.method === 'POST' ? await readQuery(req) : undefined
      setHeaders(res, requestId)
      await yoga.handleNodeRequestAndResponse(toNodeRequest(req, body), res, { nodeRequest: req, requestId })
    },
  }
}

function createContext({ commands, services }: GraphQLRouteDeps, caller: Caller): GraphQLContext {
  return {
    ...services,
    caller,
    execute: (command, input) =>
      commands.run(command, caller, input).catch((error: unknown) => {
        throw error instanceof KeywardError ? toExpectedError(error) : error
      }),
  }
}

function refuseForgery(req: IncomingMessage): void {
  if (req.method === 'OPTIONS' || req.method === 'POST' || req.headers[CSRF_HEADER] !== undefined) return
  throw new KeywardError('CSRF_HEADER_MISSING', `Send POST with a JSON body, or the header \`${CSRF_HEADER}\`.`)
}

async function readQuery(req: IncomingMessage): Promise<string> {
  const mediaTypeError = findMediaTypeError(req)
  if (mediaTypeError !== null) throw mediaTypeError
  const body = await readBody(req, BODY_BYTES_MAX)
  if (body === '') throw new KeywardError('MALFORMED_BODY', 'The body is empty.')
  return body
}

function setHeaders(res: ServerResponse, requestId: string): void {
  res.setHeader('X-Request-Id', requestId)
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('Cache-Control', 'no-store')
}

function toNodeRequest(req: IncomingMessage, body: string | undefined) {
  return {
    ...(req.method !== undefined && { method: req.method }),
    ...(req.url !== undefined && { url: req.url }),
    headers: req.headers,
    socket: req.socket,
    ...(body !== undefined && { body }),
  }
}
