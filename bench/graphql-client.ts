import { request } from 'node:http'
import { BENCH_ADMIN } from './bench-database.ts'

/** Sends GraphQL as an admin does, for what is not measured itself. */

const LOG_IN = `mutation LogIn($input: SessionCreateInput!) {
  sessionCreate(input: $input) { ... on SessionCreatePayload { accessToken } }
}`

/** The access token of the bench's admin. */
export async function logIn(port: number): Promise<string> {
  const text = await sendGraphQL(port, writeOperation(LOG_IN, { input: BENCH_ADMIN }))
  const accessToken = /"accessToken":"([^"]+)"/.exec(text)?.[1]
  if (accessToken === undefined) throw new Error(`The admin of the bench cannot log in: ${text}`)
  return accessToken
}

/** The body of a request, as bytes: one of many megabytes would otherwise be made anew each time. */
export function writeOperation(query: string, variables: object): Buffer {
  return Buffer.from(JSON.stringify({ query, variables }))
}

export function sendGraphQL(port: number, body: Buffer, accessToken?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const headers = {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
  }
  const sent = request({ host: '127.0.0.1', port, path: '/graphql', method: 'POST', headers }, (res) => {
    const chunks: Buffer[] = []
    res.on('data', (chunk: Buffer) => chunks.push(chunk))
    res.on('end', () => resolve(Buffer.concat(chunks).toString()))
    res.on('error', reject)
  })
  sent.on('error', reject)
  sent.end(body)
  return promise
}
