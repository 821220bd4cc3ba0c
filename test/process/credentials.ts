import { sendGraphQL } from '../harness/client.ts'
import { SessionCreate } from '../harness/operations.ts'

export interface PrintedCredentials {
  readonly email: string
  readonly password: string
  readonly verifierToken: string
  readonly demoToken: string
  /** The line to paste. */
  readonly curl: string
}

/** What the first start printed; null when it is not all there. */
export function readCredentials(stdout: string): PrintedCredentials | null {
  const read = (pattern: RegExp) => pattern.exec(stdout)?.[1]
  const email = read(/^ {2}Admin +(\S+)$/m)
  const password = read(/^ {2}Password +(.+)$/m)
  const verifierToken = read(/^ {2}Verifier token +(.+)$/m)
  const demoToken = read(/^ {2}Demo key +(\S+) /m)
  const curl = read(/^ {2}(curl .*)\n/m)
  if (!email || !password || !verifierToken || !demoToken || !curl) return null
  return { email, password, verifierToken, demoToken, curl }
}

/** Logs in and returns the access token; null when the password is not the one. */
export async function logIn(
  server: { readonly baseUrl: string },
  email: string,
  password: string,
): Promise<{ readonly accessToken: string; readonly refreshToken: string } | null> {
  const { data } = await sendGraphQL(server, SessionCreate, { input: { email, password } })
  return data?.sessionCreate.__typename === 'SessionCreatePayload' ? data.sessionCreate : null
}

/** The code of the verdict on a key; throws what an error says. */
export async function verifyKey(
  server: { readonly baseUrl: string },
  verifierToken: string,
  key: string,
): Promise<unknown> {
  const response = await fetch(`${server.baseUrl}/verify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${verifierToken}` },
    body: JSON.stringify({ key }),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
  return JSON.parse(text).code
}
