import type { GraphQLParams } from 'graphql-yoga'
import { z } from 'zod'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'

const object = z.record(z.string(), z.unknown())

const graphQLParams = z.strictObject({
  query: z.string(),
  operationName: z.string().nullish(),
  variables: object.nullish(),
  extensions: object.nullish(),
})

/** The parameters of a GraphQL request (GraphQL over HTTP §5.4). Throws VALIDATION_FAILED. */
export function parseGraphQLParams(body: unknown): GraphQLParams {
  if (Array.isArray(body))
    throw new KeywardError('VALIDATION_FAILED', 'Send one operation at a time, not a list of them.')
  const { data, error } = graphQLParams.safeParse(body)
  if (error)
    throw validationFailed(error.issues.map(({ path, message }) => ({ path: path.map(toStep), detail: message })))
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
