import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../harness/database.ts'
import { actAsAdmin, GIVEN, VERIFIER_TOKEN } from './installation.ts'
import { type ReadyServer, startServer, stopServer } from './server-process.ts'

interface LogLine {
  readonly level: string
  readonly time: string
  readonly msg: string
  readonly requestId?: string
}

/** Lines about the process itself. Any other line is about a request and has to say which. */
const PROCESS_LINES = new Set([
  'Keyward starts.',
  'Keyward stops.',
  'Keyward has stopped.',
  // One read is for all requests that ask about the key at the time, and few of those that fail are logged.
  'A key could not be read for a verification.',
])

const MASTER_KEY = randomBytes(32).toString('base64')
const WRONG_PASSWORD = 'wrong-password-of-the-admin'
/** Looks like a key and is none, sent where keys do not belong. */
const STRAY_TOKEN = `acme_live_${'S'.repeat(38)}`

async function post(server: ReadyServer, path: string, token: string | null, body: string, requestId: string) {
  const headers = {
    'content-type': 'application/json',
    'x-request-id': requestId,
    ...(token !== null && { authorization: `Bearer ${token}` }),
  }
  const response = await fetch(`${server.baseUrl}${path}`, { method: 'POST', headers, body })
  return { status: response.status, text: await response.text() }
}

const toBody = (query: string, variables: object = {}) => JSON.stringify({ query, variables })

test('at the level debug no secret reaches the log, and every line about a request names it', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const server = await startServer({
    DATABASE_URL: database.url,
    MASTER_KEY,
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
    ...GIVEN,
  })
  const admin = await actAsAdmin(server)
  const key = await admin.createKey(await admin.createTenant())
  const logIn = (password: string) =>
    toBody(
      `mutation ($input: SessionCreateInput!) {
        sessionCreate(input: $input) { ... on SessionCreatePayload { accessToken refreshToken } }
      }`,
      { input: { email: GIVEN.BOOTSTRAP_ADMIN_EMAIL, password } },
    )
  const session = JSON.parse(
    (await post(server, '/graphql', null, logIn(GIVEN.BOOTSTRAP_ADMIN_PASSWORD), 'login')).text,
  )
  const { accessToken, refreshToken } = session.data.sessionCreate

  // Mistakes of callers, with secrets in every place where one can stand.
  const secretQuery = toBody(`{ apiKey(id: "${key.token}") { name } }`)
  await post(server, '/graphql', null, logIn(WRONG_PASSWORD), 'wrong-password')
  await post(server, '/graphql', STRAY_TOKEN, secretQuery, 'stray-session')
  await post(server, '/graphql', accessToken, secretQuery, 'token-as-id')
  await post(server, '/graphql', accessToken, toBody(`{ apiKey(id: "${key.token}"`), 'broken-document')
  await post(server, '/graphql', accessToken, `{"query": "${key.token}`, 'broken-json')
  await post(server, '/verify', VERIFIER_TOKEN, `{"key": "${key.token}"`, 'broken-json')
  await post(server, '/verify', VERIFIER_TOKEN, JSON.stringify({ key: key.token, [STRAY_TOKEN]: 1 }), 'unknown-field')
  await post(server, '/verify', STRAY_TOKEN, JSON.stringify({ key: key.token }), 'stray-verifier')
  await fetch(`${server.baseUrl}/verify?key=${key.token}`)

  // Failures of ours, while secrets are on their way to the database.
  await breakDatabase(database.superuserUrl)
  const failures = [
    await post(server, '/graphql', null, logIn(GIVEN.BOOTSTRAP_ADMIN_PASSWORD), 'failed-login'),
    await post(server, '/graphql', accessToken, toBody('{ tenants { totalCount } }'), 'failed-query'),
  ]
  for (const { text } of failures) expect(text).toContain('"INTERNAL"')
  const verification = await post(server, '/verify', VERIFIER_TOKEN, JSON.stringify({ key: key.token }), 'no-answer')
  expect(verification.status).toBe(503)
  await stopServer(server)

  const lines = server.stderr
    .trim()
    .split('\n')
    .map((line): LogLine => JSON.parse(line))
  const aboutRequests = lines.filter(({ msg }) => !PROCESS_LINES.has(msg))
  for (const line of aboutRequests) expect(line, JSON.stringify(line)).toHaveProperty('requestId')
  const named = aboutRequests.map(({ requestId }) => requestId)
  expect(named).toContain('failed-login')
  expect(named).toContain('failed-query')

  const secrets = {
    accessToken,
    refreshToken,
    adminSession: admin.accessToken,
    key: key.token,
    verifier: VERIFIER_TOKEN,
    password: GIVEN.BOOTSTRAP_ADMIN_PASSWORD,
    WRONG_PASSWORD,
    STRAY_TOKEN,
    MASTER_KEY,
    databaseUrl: database.url,
  }
  for (const [name, secret] of Object.entries(secrets)) {
    expect(server.stderr.includes(secret), `${name} in the log`).toBe(false)
  }
})

/** Takes away what requests need, in a way that nobody foresees. */
async function breakDatabase(superuserUrl: string): Promise<void> {
  const superuser = new pg.Client({ connectionString: superuserUrl })
  await superuser.connect()
  await superuser.query('ALTER TABLE users RENAME TO users_away')
  await superuser.query('ALTER TABLE tenants RENAME TO tenants_away')
  await superuser.query('ALTER TABLE api_keys RENAME TO api_keys_away')
  await superuser.end()
}
