import type { IncomingMessage, ServerResponse } from 'node:http'
import { KeywardError } from '../errors/keyward-error.ts'

/**
 * Answers one request. What it throws, or rejects with, becomes problem details. The request's id is for the answer and
 * the log.
 */
export type Handler = (req: IncomingMessage, res: ServerResponse, requestId: string) => void | Promise<void>

export interface Route {
  /** `*` takes every method. A GET route answers HEAD too. */
  readonly method: 'GET' | 'POST' | '*'
  /** The exact path, without query. */
  readonly path: string
  readonly handle: Handler
}

/** Finds the handler of a request. Throws METHOD_NOT_ALLOWED, and NOT_FOUND when there is no fallback either. */
export type FindHandler = (method: string, url: string) => Handler

/** Paths are looked up, not matched: there are a dozen, none with parameters. */
export function createRouter(routes: readonly Route[], fallback: Handler | undefined): FindHandler {
  const handlersByPath = new Map<string, Map<string, Handler>>()
  for (const { method, path, handle } of routes) {
    const handlers = handlersByPath.get(path) ?? new Map<string, Handler>()
    if (handlers.has(method)) throw new Error(`The route ${method} ${path} is given twice.`)
    handlers.set(method, handle)
    if (method === 'GET') handlers.set('HEAD', handle)
    handlersByPath.set(path, handlers)
  }

  return (method, url) => {
    const handlers = handlersByPath.get(url) ?? handlersByPath.get(pathOf(url))
    if (handlers === undefined) {
      if (fallback === undefined) throw new KeywardError('NOT_FOUND', 'There is no such path.')
      return fallback
    }
    const handler = handlers.get(method) ?? handlers.get('*')
    if (handler === undefined) {
      const allow = [...handlers.keys()]
      throw new KeywardError('METHOD_NOT_ALLOWED', `This path takes ${allow.join(' and ')}.`, { allow })
    }
    return handler
  }
}

/** The path of a request target in origin form, without its query. */
export function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
