import { randomInt } from 'node:crypto'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ERROR_CODES } from '../../../src/errors/catalogue.ts'
import { startTestApp, type TestApp } from '../../harness/app.ts'
import { send, sendGraphQL, sendVerify } from '../../harness/client.ts'
import { Viewer } from '../../harness/operations.ts'
import { seedAdmin, seedInvitation, seedPerson, seedUser, type TenantSeed } from '../../harness/seed.ts'
import type { ThingIds } from '../field-cases.ts'
import { createRandom } from './random.ts'
import { type GarbageRequest, type GarbageSources, makeGarbage } from './requests.ts'

/** Answers that refuse a request for what is wrong with it. Being told to come again later (429) is none. */
const REFUSED_MIN = 5_000
/** Reached when most of what is sent is good or not looked at, and then little is shown. */
const SENT_MAX = 12_000
const AT_ONCE = 24
/** The server itself cuts requests off before that. */
const ANSWER_DEADLINE_MS = 20_000
/** What an operator answers for, not the caller: none of it may be the answer to garbage. */
const OUR_FAULT = ['INTERNAL', 'UNAVAILABLE']

let app: TestApp
let sources: GarbageSources
/** Of a tenant that no garbage knows: among all the requests some are good, and change what they are about. */
let calmToken: string

beforeAll(async () => {
  // All of it comes from one address, which would be taken for somebody who guesses passwords or tokens.
  app = await startTestApp({
    env: { LOGIN_ADDRESS_FAILURES_MAX: '100000', FAILED_AUTHENTICATIONS_PER_MINUTE: '1000' },
  })
  const admin = await seedAdmin(app)
  const [tenant, other] = [await admin.tenant(), await admin.tenant()]
  const { token } = await tenant.key()
  const user = await seedUser(app, { tenantId: tenant.tenantId, role: 'OWNER' })
  calmToken = (await (await admin.tenant()).key()).token
  sources = {
    verifierToken: app.firstStart.verifierToken,
    token,
    accessTokens: [user.accessToken, admin.accessToken],
    own: await seedThings(tenant),
    foreign: await seedThings(other),
  }
})
afterAll(() => app.stop())

async function seedThings(tenant: TenantSeed): Promise<ThingIds> {
  const { tenantId } = tenant
  const scopeId = await tenant.scope('orders:read')
  const { apiKeyId } = await tenant.key()
  const { userId } = await seedPerson(app, { tenantId, role: 'VIEWER' })
  return { tenantId, scopeId, apiKeyId, userId, invitationId: await seedInvitation(app, tenantId) }
}

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })

interface Answer {
  readonly status: number
  readonly type: string
  readonly requestId: string | undefined
  readonly text: string
}

/** Without a library that would mend the request, or refuse to send it. */
function sendRaw({ method, path, headers, body }: GarbageRequest): Promise<Answer> {
  const { hostname, port } = new URL(app.baseUrl)
  return new Promise((resolve, reject) => {
    const length = body === null ? {} : { 'content-length': Buffer.byteLength(body) }
    const outgoing = request(
      { agent, hostname, port, method, path, headers: { ...headers, ...length }, timeout: ANSWER_DEADLINE_MS },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () => {
          const { 'content-type': type = '', 'x-request-id': id } = incoming.headers
          const requestId = Array.isArray(id) ? id[0] : id
          resolve({ status: incoming.statusCode ?? 0, type, requestId, text: Buffer.concat(chunks).toString() })
        })
        incoming.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')))
    outgoing.end(body ?? undefined)
  })
}

/** What is wrong with an answer to garbage; null when it is as it should be. */
function findFault({ method, path }: GarbageRequest, { status, type, requestId, text }: Answer): string | null {
  if (status >= 500 || status < 200) return `status ${status}`
  if (requestId === undefined) return 'no id of the request'
  if (method === 'HEAD' || status === 204) return null
  if (path.startsWith('/graphql') && /text\/event-stream|multipart\/mixed/.test(type)) return findCodes(text)
  if (/^text\/(html|plain)|^application\/openmetrics/.test(type))
    return status === 200 ? null : `status ${status} as ${type}`
  if (status >= 400 && !/problem\+json|graphql-response\+json|application\/json/.test(type))
    return `status ${status} as ${type}`
  return status >= 400 && !/"code":"[A-Z_]+"/.test(text) ? 'no code' : findCodes(text)
}

function findCodes(text: string): string | null {
  const answer: { errors?: { extensions?: { code?: string } }[]; code?: string; status?: unknown } = text.startsWith(
    '{',
  )
    ? JSON.parse(text)
    : {}
  const codes =
    Array.isArray(answer.errors) && answer.code === undefined
      ? answer.errors.map((error) => error.extensions?.code)
      : []
  const problem = typeof answer.status === 'number' ? [answer.code] : []
  for (const code of [...codes, ...problem]) {
    if (code === undefined || !ERROR_CODES.some((one) => one === code)) return `a code that nobody knows: ${code}`
    if (OUR_FAULT.includes(code)) return code
  }
  return /\bat \S+ \(.*:\d+:\d+\)|node_modules|\/src\//.test(text) ? 'a stack trace' : null
}

test(`no request of garbage breaks the server, and at least ${REFUSED_MIN} are told what is wrong with them`, {
  timeout: 300_000,
}, async () => {
  const seed = Number(process.env.GARBAGE_SEED ?? randomInt(2 ** 31))
  process.stdout.write(`GARBAGE_SEED=${seed}\n`)
  const random = createRandom(seed)
  const faults: string[] = []
  const statuses = new Map<number, number>()
  let [sent, refused] = [0, 0]

  async function work(): Promise<void> {
    while (refused < REFUSED_MIN && sent++ < SENT_MAX) {
      const garbage = makeGarbage(random, sources)
      const answer = await sendRaw(garbage).catch((error: unknown) => String(error))
      if (typeof answer === 'string') {
        faults.push(`${garbage.kind}: ${answer}`)
        continue
      }
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      if (answer.status >= 400 && answer.status !== 429) refused++
      const fault = findFault(garbage, answer)
      if (fault !== null) {
        const { kind, method, path, body } = garbage
        faults.push(
          `${kind}: ${fault}\n  ${method} ${path.slice(0, 300)} ${body?.slice(0, 500)}\n  ${answer.text.slice(0, 300)}`,
        )
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))

  process.stdout.write(
    `${[...statuses]
      .sort()
      .map(([status, count]) => `${status}: ${count}`)
      .join(', ')}\n`,
  )
  const errors = app.logLines.filter((line) => /"level":"(error|fatal)"/.test(line))
  expect({ faults: faults.slice(0, 5), errors: errors.slice(0, 3) }).toEqual({ faults: [], errors: [] })
  expect(refused).toBeGreaterThanOrEqual(REFUSED_MIN)
})

test('what is no HTTP at all is answered or cut off, and harms nobody', async () => {
  const { hostname, port } = new URL(app.baseUrl)
  const seed = randomInt(2 ** 31)
  process.stdout.write(`seed ${seed}\n`)
  const random = createRandom(seed)
  const lines = [
    'GET / HTTP/1.1\r\n',
    'POST /verify HTTP/9.9\r\n',
    '\u0000\u0001\u0002',
    'GET /\r\n\r\n',
    'Host: x\r\n',
    'Content-Length: -1\r\n',
    'Content-Length: 5\r\nContent-Length: 6\r\n',
    'Transfer-Encoding: chunked\r\n\r\nzz\r\n',
    `X: ${'x'.repeat(20_000)}\r\n`,
    '\r\n\r\n',
    '\x16\x03\x01\x02\x00',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ]
  for (let turn = 0; turn < 200; turn++) {
    const bytes = Array.from({ length: 1 + random.below(5) }, () => random.pick(lines)).join('')
    const answer = await new Promise<string>((resolve) => {
      let text = ''
      const socket = connect({ host: hostname, port: Number(port) })
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
      socket.end(bytes, 'latin1')
    })
    expect(answer).not.toMatch(/^HTTP\/1\.1 5/)
  }
})

test('afterwards keys are verified, sessions count and the server is healthy', async () => {
  expect((await sendVerify(app, { key: calmToken })).body).toMatchObject({ valid: true })
  expect((await send(app, '/health')).status).toBe(200)
  const user = await seedUser(app)
  expect((await sendGraphQL(app, Viewer, {}, user.accessToken)).data?.viewer).toMatchObject({ __typename: 'User' })
})
