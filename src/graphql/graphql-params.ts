import type { GraphQLParams } from 'graphql-yoga'
import { z } from 'zod'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import { parseJson } from '../http/body.ts'

const object = z.record(z.string(), z.unknown())

const graphQLParams = z.strictObject({
  query: z.string(),
  operationName: z.string().nullish(),
  variables: object.nullish(),
  extensions: object.nullish(),
})

/** What a POST asks for, from its body (GraphQL over HTTP §5.4). Throws MALFORMED_BODY and VALIDATION_FAILED. */
export function readBodyParams(text: string): GraphQLParams {
  const body = parseJson(text)
  if (Array.isArray(body)) {
    throw new KeywardError('VALIDATION_FAILED', 'Send one operation at a time, not a list of them.')
  }
  return readParams(body)
}

/** What a GET asks for, from its query string (GraphQL over HTTP §5.3). Throws VALIDATION_FAILED. */
export function readUrlParams(url: string): GraphQLParams {
  const given = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length))
  const params: Record<string, unknown> = {}
  for (const [name, text] of given) {
    params[name] = name === 'variables' || name === 'extensions' ? parseUrlJson(name, text) : text
  }
  return readParams(params)
}

function parseUrlJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw validationFailed([{ path: [name], detail: 'is not JSON' }])
  }
}

function readParams(params: unknown): GraphQLParams {
  const { data, error } = graphQLParams.safeParse(params)
  if (error) {
    throw validationFailed(error.issues.map(({ path, message }) => ({ path: path.map(toStep), detail: message })))
  }
  const { query, operationName, variables, extensions } = data
  return {
    query,
    ...(operationName != null && { operationName }),
    ...(variables != null && { variables }),
    ...(extensions != null && { extensions }),
  }
}

function toStep(step: PropertyKey): string | number {
  return typeof step === 'symbol' ? String(step) : step
}
