import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendGraphQL } from '../harness/client.ts'
import { SessionCreate, Viewer } from '../harness/operations.ts'
import { findAuditRecords, findLeaks, findOutboxRecords } from '../harness/records.ts'
import { seedAdmin, seedUser, uuidOf } from '../harness/seed.ts'

let app: TestApp

beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

function logIn(email: string, password: string, headers: Record<string, string> = {}) {
  return sendGraphQL(app, SessionCreate, { input: { email, password } }, undefined, headers)
}

test('a login opens a session, and the log says who, when and from where', async () => {
  const headers = { 'x-request-id': 'login-1', 'user-agent': 'a browser' }
  const { status, data } = await logIn(app.firstStart.adminEmail.toUpperCase(), ADMIN_PASSWORD, headers)

  expect(status).toBe(200)
  const session = data?.sessionCreate
  if (session?.__typename !== 'SessionCreatePayload') throw new Error(JSON.stringify(data))
  expect(session.user.email).toBe(app.firstStart.adminEmail)
  expect(session.expiresAt).toBe(new Date(Math.floor(app.clock.now() / 1000) * 1000 + 15 * 60 * 1000).toISOString())

  const viewer = await sendGraphQL(app, Viewer, {}, session.accessToken)
  expect(viewer.data?.viewer).toMatchObject({ __typename: 'User', id: session.user.id })

  const [platform] = await app.query<{ id: string }>('SELECT id FROM tenants WHERE is_platform')
  expect(await findAuditRecords(app, 'login-1')).toEqual([
    {
      tenant_id: platform?.id,
      action: 'session.created',
      outcome: 'SUCCESS',
      actor_kind: 'ANONYMOUS',
      actor_id: null,
      resource_type: 'Session',
      resource_id: expect.stringMatching(/^ses_[0-9a-f]{32}$/),
      detail: { user: session.user.id },
      occurred_at: new Date(app.clock.now()),
      ip: '127.0.0.1',
      user_agent: 'a browser',
      correlation_id: 'login-1',
    },
  ])
  expect(await findOutboxRecords(app, 'login-1')).toEqual([])
  expect(await findLeaks(app, [ADMIN_PASSWORD, session.accessToken, session.refreshToken])).toEqual([])
})

test('a login of a member is recorded in the tenant that the member joined first', async () => {
  const { tenantId } = await (await seedAdmin(app)).tenant()
  const { email } = await seedUser(app, { tenantId, role: 'VIEWER' })
  await logIn(email, ADMIN_PASSWORD, { 'x-request-id': 'login-member' })
  const [record] = await findAuditRecords(app, 'login-member')
  expect(record?.tenant_id).toBe(uuidOf(tenantId))
})

test('a login tells where the person belongs, and a refresh does so too', async () => {
  const { tenantId, slug } = await (await seedAdmin(app)).tenant()
  const { email } = await seedUser(app, { tenantId, role: 'VIEWER' })
  const who = 'user { email memberships { role tenant { slug } } }'
  const created = await sendGraphQL<{ session: { refreshToken: string } }, object>(
    app,
    `mutation ($input: SessionCreateInput!) { session: sessionCreate(input: $input) { ... on SessionCreatePayload { refreshToken ${who} } } }`,
    { input: { email, password: ADMIN_PASSWORD } },
  )
  const user = { email, memberships: [{ role: 'VIEWER', tenant: { slug } }] }
  expect(created.data?.session).toMatchObject({ user })
  const refreshed = await sendGraphQL<{ session: unknown }, object>(
    app,
    `mutation ($input: SessionRefreshInput!) { session: sessionRefresh(input: $input) { ... on SessionRefreshPayload { ${who} } } }`,
    { input: { refreshToken: created.data?.session.refreshToken } },
  )
  expect(refreshed.data?.session).toEqual({ user })
})

test('a person who belongs nowhere can see itself', async () => {
  const { userId, email, accessToken } = await seedUser(app)
  const document = 'query ($id: ID!) { node(id: $id) { ... on User { email memberships { role } } } }'
  const { data } = await sendGraphQL<{ node: unknown }, { id: string }>(app, document, { id: userId }, accessToken)
  expect(data?.node).toEqual({ email, memberships: [] })
})

test('an unknown address and a wrong password are answered in the same bytes and recorded in the same form', async () => {
  const request = (email: string, id: string) =>
    send(app, '/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': id },
      body: JSON.stringify({
        query: SessionCreate.toString(),
        variables: { input: { email, password: 'not this one' } },
      }),
    })
  const wrong = await request(app.firstStart.adminEmail, 'login-wrong')
  const unknown = await request('nobody@example.com', 'login-unknown')

  expect(unknown.text).toBe(wrong.text)
  expect(unknown.status).toBe(wrong.status)
  expect(JSON.parse(wrong.text).data.sessionCreate).toMatchObject({
    __typename: 'InvalidCredentialsError',
    code: 'INVALID_CREDENTIALS',
  })
  const [wrongRecord] = await findAuditRecords(app, 'login-wrong')
  const [unknownRecord] = await findAuditRecords(app, 'login-unknown')
  expect(wrongRecord).toMatchObject({ action: 'session.failed', outcome: 'FAILURE', resource_type: 'User' })
  expect(unknownRecord).toMatchObject({ action: 'session.failed', outcome: 'FAILURE', resource_id: null })
  expect(unknownRecord?.tenant_id).toBe(wrongRecord?.tenant_id)
  expect(await findLeaks(app, ['not this one', 'nobody@example.com'])).toEqual([])
})

test('a login for no account takes as many statements as one with a wrong password', async () => {
  const count = async (email: string) => {
    const before = app.statements.length
    await logIn(email, 'not this one')
    return app.statements.length - before
  }
  expect(await count('nobody@example.com')).toBe(await count(app.firstStart.adminEmail))
})

test('a password that is too long is refused before it is hashed', async () => {
  const { data } = await logIn(app.firstStart.adminEmail, 'x'.repeat(1025))
  expect(data?.sessionCreate).toEqual({
    __typename: 'ValidationError',
    code: 'VALIDATION_FAILED',
    message: 'input.password: must have at most 1024 characters',
    path: ['input', 'password'],
  })
})

test('a login that is repeated opens another session', async () => {
  const first = await seedAdmin(app)
  const second = await seedAdmin(app)
  expect(second.refreshToken).not.toBe(first.refreshToken)
  for (const { accessToken } of [first, second]) {
    expect((await sendGraphQL(app, Viewer, {}, accessToken)).data?.viewer).not.toBeNull()
  }
})

test('an address that is none is refused as an invalid variable', async () => {
  const answer = await sendGraphQL(app, SessionCreate.toString(), { input: { email: 'no address', password: 'x' } })
  expect(answer).toMatchObject({ status: 400, data: null, errors: [{ extensions: { code: 'QUERY_INVALID' } }] })
})

test('of a hundred guesses at once five are looked at, the others are told to come again, and none hangs', async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => logIn('somebody@example.com', 'not this one')))
  const looked = answers.filter(({ data }) => data?.sessionCreate.__typename === 'InvalidCredentialsError')
  const refused = answers.flatMap(({ errors }) => errors.map(({ extensions }) => extensions))
  expect(looked).toHaveLength(5)
  expect(refused).toHaveLength(95)
  const locked = refused.filter(({ code }) => code === 'RATE_LIMITED')
  const crowded = refused.filter(({ code }) => code === 'UNAVAILABLE')
  // Of one address sixty-four may wait; how many of them have been answered when the last one comes is a matter of time.
  expect(locked.length).toBeGreaterThanOrEqual(60)
  expect(crowded.length).toBeGreaterThan(0)
  expect(crowded[0]).toEqual({ code: 'UNAVAILABLE', retryAfterSeconds: 1 })
})
