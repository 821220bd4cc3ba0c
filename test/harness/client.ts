import type { TypedDocumentString } from '../generated/graphql/graphql.ts'
import type { TestApp } from './app.ts'

export interface GraphQLAnswer<Data> {
  readonly status: number
  readonly headers: Headers
  readonly data: Data | null
  readonly errors: readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
}

/** Sends a document as a client would: over the socket, as JSON. `token` is a session's access token. */
export async function sendGraphQL<Data, Variables>(
  app: Pick<TestApp, 'baseUrl'>,
  document: TypedDocumentString<Data, Variables> | string,
  variables: Variables,
  token?: string,
): Promise<GraphQLAnswer<Data>> {
  const response = await fetch(`${app.baseUrl}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query: document.toString(), variables }),
  })
  const body = (await response.json()) as Partial<GraphQLAnswer<Data>>
  return { status: response.status, headers: response.headers, data: body.data ?? null, errors: body.errors ?? [] }
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
  const response = await fetch(`${app.baseUrl}/verify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${verifierToken}` },
    body: JSON.stringify(request),
  })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}
