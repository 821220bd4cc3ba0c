import { z } from 'zod'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import { parseJson } from '../http/body.ts'

const object = z.record(z.string(), z.unknown())

const DOCUMENT_ID_FORM = 'is `sha256:` and 64 hexadecimal digits in lower case'

const graphQLParams = z.strictObject({
  query: z.string().nullish(),
  documentId: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, { error: DOCUMENT_ID_FORM })
    .nullish(),
  operationName: z.string().nullish(),
  variables: object.nullish(),
  extensions: object.nullish(),
})

/** As Apollo's clients name a document (Automatic Persisted Queries). Nothing is registered: who knows the document is the operator. */
const persistedQuery = z.object({
  version: z.literal(1),
  sha256Hash: z.string().regex(/^[0-9a-f]{64}$/, { error: 'is 64 hexadecimal digits in lower case' }),
})

/** What to execute: a document, or the hash of one, or both. */
export type OperationParams = {
  readonly operationName?: string
  readonly variables?: Record<string, unknown>
  readonly extensions?: Record<string, unknown>
} & (
  | { readonly query: string; readonly documentId: string | null }
  | { readonly query: null; readonly documentId: string }
)

/** What a POST asks for, from its body (GraphQL over HTTP §5.4). Throws MALFORMED_BODY and VALIDATION_FAILED. */
export function readBodyParams(text: string): OperationParams {
  return readParsedBody(parseJson(text))
}

/** The same from a body that is parsed already. */
export function readParsedBody(body: unknown): OperationParams {
  if (Array.isArray(body)) {
    throw new KeywardError('VALIDATION_FAILED', 'Send one operation at a time, not a list of them.')
  }
  return readParams(body)
}

/** What a GET asks for, from its query string (GraphQL over HTTP §5.3). Throws VALIDATION_FAILED. */
export function readUrlParams(url: string): OperationParams {
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

function readParams(params: unknown): OperationParams {
  const { data, error } = graphQLParams.safeParse(params)
  if (error) throw refuse(error, [])
  const { operationName, variables, extensions } = data
  return {
    ...readDocument(data),
    ...(operationName != null && { operationName }),
    ...(variables != null && { variables }),
    ...(extensions != null && { extensions }),
  }
}

function readDocument({ query, documentId, extensions }: z.output<typeof graphQLParams>) {
  const id = documentId ?? readPersistedQuery(extensions?.persistedQuery)
  if (query != null) return { query, documentId: id }
  if (id !== null) return { query: null, documentId: id }
  throw validationFailed([
    { path: ['query'], detail: 'is missing: send a document, or the hash of one as `documentId`' },
  ])
}

function readPersistedQuery(given: unknown): string | null {
  if (given == null) return null
  const { data, error } = persistedQuery.safeParse(given)
  if (error) throw refuse(error, ['extensions', 'persistedQuery'])
  return `sha256:${data.sha256Hash}`
}

function refuse({ issues }: z.ZodError, at: readonly string[]): KeywardError {
  return validationFailed(issues.map(({ path, message }) => ({ path: [...at, ...path.map(toStep)], detail: message })))
}

function toStep(step: PropertyKey): string | number {
  return typeof step === 'symbol' ? String(step) : step
}
