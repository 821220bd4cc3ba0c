import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { SessionEnd, SessionRefresh, Viewer } from '../harness/operations.ts'
import { findAuditRecords, findLeaks, findOutboxRecords } from '../harness/records.ts'
import { type SessionSeed, seedAdmin, seedUser, uuidOf } from '../harness/seed.ts'

let app: TestApp

beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

const DAY_MS = 24 * 60 * 60 * 1000

async function refresh(refreshToken: string, headers: Record<string, string> = {}) {
  const { data } = await sendGraphQL(app, SessionRefresh, { input: { refreshToken } }, undefined, headers)
  return data?.sessionRefresh
}

async function mustRefresh(refreshToken: string, headers: Record<string, string> = {}): Promise<SessionSeed> {
  const session = await refresh(refreshToken, headers)
  if (session?.__typename !== 'SessionRefreshPayload') throw new Error(JSON.stringify(session))
  return session
}

async function isLive(accessToken: string): Promise<boolean> {
  const { status, errors } = await sendGraphQL(app, Viewer, {}, accessToken)
  if (errors.length === 0) return true
  expect({ status, code: errors[0]?.extensions.code }).toEqual({ status: 401, code: 'UNAUTHENTICATED' })
  return false
}

test('a refresh gives new tokens, and is recorded in the tenant of the person', async () => {
  const { tenantId } = await (await seedAdmin(app)).tenant()
  const user = await seedUser(app, { tenantId, role: 'VIEWER' })
  const next = await mustRefresh(user.refreshToken, { 'x-request-id': 'refresh-1', 'user-agent': 'a browser' })

  expect(next.refreshToken).not.toBe(user.refreshToken)
  expect(await isLive(next.accessToken)).toBe(true)
  expect(await findAuditRecords(app, 'refresh-1')).toEqual([
    {
      tenant_id: uuidOf(tenantId),
      action: 'session.refreshed',
      outcome: 'SUCCESS',
      actor_kind: 'ANONYMOUS',
      actor_id: null,
      resource_type: 'Session',
      resource_id: expect.stringMatching(/^ses_/),
      detail: {},
      occurred_at: new Date(app.clock.now()),
      ip: '127.0.0.1',
      user_agent: 'a browser',
      correlation_id: 'refresh-1',
    },
  ])
  expect(await findOutboxRecords(app, 'refresh-1')).toEqual([])
  expect(await findLeaks(app, [user.refreshToken, next.refreshToken, next.accessToken])).toEqual([])
})

test('an access token of before a refresh goes on until it expires', async () => {
  const user = await seedUser(app)
  await mustRefresh(user.refreshToken)
  expect(await isLive(user.accessToken)).toBe(true)
})

test('a refresh token that comes a second time ends the session and all of its tokens at once', async () => {
  const user = await seedUser(app)
  const next = await mustRefresh(user.refreshToken)

  const again = await sendGraphQL(app, SessionRefresh, { input: { refreshToken: user.refreshToken } }, undefined, {
    'x-request-id': 'reuse-1',
  })
  expect(again.data?.sessionRefresh).toEqual({
    __typename: 'InvalidCredentialsError',
    code: 'INVALID_CREDENTIALS',
    message: 'The refresh token does not count; log in again.',
    path: [],
  })
  expect(await isLive(next.accessToken)).toBe(false)
  expect(await isLive(user.accessToken)).toBe(false)
  expect(await refresh(next.refreshToken)).toMatchObject({ __typename: 'InvalidCredentialsError' })
  const records = await findAuditRecords(app, 'reuse-1')
  expect(records).toMatchObject([{ action: 'session.reused', outcome: 'FAILURE', resource_type: 'Session' }])
})

test('of two refreshes with one token at the same time exactly one wins', async () => {
  for (let round = 0; round < 5; round++) {
    const { refreshToken } = await seedUser(app)
    const answers = await Promise.all([refresh(refreshToken), refresh(refreshToken)])
    const won = answers.filter((answer) => answer?.__typename === 'SessionRefreshPayload')
    const lost = answers.filter((answer) => answer?.__typename === 'InvalidCredentialsError')
    expect([won.length, lost.length]).toEqual([1, 1])
  }
})

test('a refresh token counts until the millisecond at which it expires', async () => {
  const [early, late] = [await seedUser(app), await seedUser(app)]
  app.clock.advance(7 * DAY_MS - 1)
  await mustRefresh(early.refreshToken)
  app.clock.advance(1)
  expect(await refresh(late.refreshToken)).toMatchObject({ __typename: 'InvalidCredentialsError' })
})

test('a session that is refreshed in time lives on beyond the life of its first refresh token', async () => {
  let session: SessionSeed = await seedUser(app)
  for (let week = 0; week < 3; week++) {
    app.clock.advance(6 * DAY_MS)
    session = await mustRefresh(session.refreshToken)
  }
  expect(await isLive(session.accessToken)).toBe(true)
})

test.each([
  ['nobody knows', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
  ['is empty', ''],
  ['holds what PostgreSQL refuses', '\u0000'],
  ['is very long', 'x'.repeat(100_000)],
])('a refresh token that %s is refused and recorded without being told', async (_, refreshToken) => {
  expect(await refresh(refreshToken, { 'x-request-id': 'refresh-unknown' })).toMatchObject({
    __typename: 'InvalidCredentialsError',
  })
  expect((await findAuditRecords(app, 'refresh-unknown')).at(-1)).toMatchObject({
    action: 'session.failed',
    outcome: 'FAILURE',
    resource_id: null,
  })
  if (refreshToken.length > 1) expect(await findLeaks(app, [refreshToken])).toEqual([])
})

test('a refresh token of a session that was ended is refused', async () => {
  const user = await seedUser(app)
  await sendGraphQL(app, SessionEnd, {}, user.accessToken)
  expect(await refresh(user.refreshToken)).toMatchObject({ __typename: 'InvalidCredentialsError' })
})
