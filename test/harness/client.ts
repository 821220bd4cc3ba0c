import type { TypedDocumentString } from '../generated/graphql/graphql.ts'
import type { TestApp } from './app.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Sends anything to any path, as the bytes that are given. */
export async function send(app: Pick<TestApp, 'baseUrl'>, path: string, init: RequestInit = {}): Promise<HttpAnswer> {
  const response = await fetch(`${app.baseUrl}${path}`, { redirect: 'manual', ...init })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

export interface GraphQLAnswer<Data> {
  readonly status: number
  readonly headers: Headers
  /** Null also when every field at the root failed: nothing was answered then. */
  readonly data: Answered<Data> | null
  readonly errors: readonly GraphQLAnswerError[]
}

/**
 * Every field at the root can be null, for when it fails. A test that looks into one expects that it did not, and fails where
 * it looks if it did.
 */
export type Answered<Data> = { readonly [Field in keyof Data]: NonNullable<Data[Field]> }

export interface GraphQLAnswerError {
  readonly message: string
  readonly path?: readonly (string | number)[]
  readonly extensions: { readonly code: string; readonly [name: string]: unknown }
}

/** Sends a document as a client would: over the socket, as JSON. `token` is a session's access token. */
export async function sendGraphQL<Data, Variables>(
  app: Pick<TestApp, 'baseUrl'>,
  document: TypedDocumentString<Data, Variables> | string,
  variables: Variables,
  token?: string,
  headers: Record<string, string> = {},
): Promise<GraphQLAnswer<Data>> {
  const answer = await send(app, '/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ query: document.toString(), variables }),
  })
  const { data = null, errors = [] }: Partial<GraphQLAnswer<Data>> = JSON.parse(answer.text)
  const nothing = errors.length > 0 && Object.values(data ?? {}).every((field) => field === null)
  return { status: answer.status, headers: answer.headers, data: nothing ? null : data, errors }
}

export interface VerifyAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

/** Verifies a key over the socket, as the platform's verifier unless another token is given. */
export async function sendVerify(
  app: Pick<TestApp, 'baseUrl' | 'firstStart'>,
  request: Record<string, unknown>,
  verifierToken: string = app.firstStart.verifierToken,
): Promise<VerifyAnswer> {
  const { status, headers, text } = await send(app, '/verify', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${verifierToken}` },
    body: JSON.stringify(request),
  })
  return { status, headers, body: JSON.parse(text) }
}
