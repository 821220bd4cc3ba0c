import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { SessionCreate, SessionRefresh, Viewer } from '../harness/operations.ts'
import { PasswordChange } from '../harness/people-operations.ts'
import { findAuditRecords, findLeaks } from '../harness/records.ts'
import { type SessionSeed, seedSession, seedUser } from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'

const GOOD_PASSWORD = 'orange staple under rivers'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

function change({ accessToken }: SessionSeed, newPassword: string, currentPassword = ADMIN_PASSWORD, headers = {}) {
  return sendGraphQL(app, PasswordChange, { input: { currentPassword, newPassword } }, accessToken, headers)
}

async function logIn(email: string, password: string): Promise<string> {
  return readCode(await sendGraphQL(app, SessionCreate, { input: { email, password } }))
}

async function isLive({ accessToken }: SessionSeed): Promise<boolean> {
  return (await sendGraphQL(app, Viewer, {}, accessToken)).status === 200
}

test('a changed password ends every session of the person at once, and none of anybody else', async () => {
  const [user, bystander] = [await seedUser(app), await seedUser(app)]
  const other = await seedSession(app, user.email)
  const requestId = `password-${randomUUIDv7()}`
  const { data } = await change(user, GOOD_PASSWORD, ADMIN_PASSWORD, { 'x-request-id': requestId })
  expect(data?.passwordChange).toEqual({ __typename: 'PasswordChangePayload', user: { id: user.userId } })

  expect([await isLive(user), await isLive(other), await isLive(bystander)]).toEqual([false, false, true])
  for (const { refreshToken } of [user, other]) {
    expect(readCode(await sendGraphQL(app, SessionRefresh, { input: { refreshToken } }))).toBe('INVALID_CREDENTIALS')
  }
  expect(await logIn(user.email, ADMIN_PASSWORD)).toBe('INVALID_CREDENTIALS')
  expect(await logIn(user.email, GOOD_PASSWORD)).toBe('SessionCreatePayload')
  expect(await findAuditRecords(app, requestId)).toMatchObject([
    { action: 'password.changed', outcome: 'SUCCESS', resource_id: user.userId, detail: { sessionsEnded: 2 } },
  ])
  expect(await findLeaks(app, [GOOD_PASSWORD, ADMIN_PASSWORD])).toEqual([])
})

test('a login with the old password at the moment of the change opens no session that outlives it', async () => {
  for (let round = 0; round < 3; round++) {
    const user = await seedUser(app)
    const login = sendGraphQL(app, SessionCreate, { input: { email: user.email, password: ADMIN_PASSWORD } })
    const [{ data }] = await Promise.all([login, change(user, GOOD_PASSWORD)])
    if (data?.sessionCreate.__typename === 'SessionCreatePayload') expect(await isLive(data.sessionCreate)).toBe(false)
  }
})

test('of two changes at the same moment one wins', async () => {
  const user = await seedUser(app)
  const codes = (await Promise.all([change(user, GOOD_PASSWORD), change(user, 'purple engines over hills')])).map(
    readCode,
  )
  expect(codes.filter((code) => code === 'PasswordChangePayload')).toHaveLength(1)
})

test('a wrong current password changes nothing and is recorded', async () => {
  const user = await seedUser(app)
  const requestId = `password-${randomUUIDv7()}`
  const { data } = await change(user, GOOD_PASSWORD, 'not this one', { 'x-request-id': requestId })
  expect(data?.passwordChange).toEqual({
    __typename: 'InvalidCredentialsError',
    code: 'INVALID_CREDENTIALS',
    message: 'The current password is wrong.',
    path: [],
  })
  expect(await findAuditRecords(app, requestId)).toMatchObject([
    { action: 'password.rejected', outcome: 'FAILURE', resource_id: user.userId },
  ])
  expect(await isLive(user)).toBe(true)
})

describe('a new password', () => {
  test.each([
    ['has nine characters', 'kX9!mQ2$v', 'must have at least 10 characters'],
    ['has nine characters of two code units each', '😀😁😂😃😄😅😆😇😈', 'must have at least 10 characters'],
    ['is one of the most used', 'password123', 'is too easy to guess. '],
    ['is one letter many times', 'a'.repeat(40), 'is too easy to guess. Repeated characters'],
    ['is a row of keys', 'qwertyuiop', 'is too easy to guess. '],
    ['is the current one', ADMIN_PASSWORD, 'must differ from the current one'],
    ['has 1025 characters', 'x'.repeat(1025), 'must have at most 1024 characters'],
  ])('that %s is refused with what to do', async (_, password, detail) => {
    const { data } = await change(await seedUser(app), password)
    expect(data?.passwordChange).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'newPassword'] })
    expect(JSON.stringify(data)).toContain(detail)
  })

  test('that is the address of the person is refused', async () => {
    const user = await seedUser(app)
    expect(readCode(await change(user, user.email))).toBe('VALIDATION_FAILED')
  })

  test.each([
    ['four words', GOOD_PASSWORD],
    ['ten odd characters', 'xK9#mQ2$vL'],
    ['1024 characters that begin badly', `${'a'.repeat(990)} correct horse battery staple tree`.slice(0, 1024)],
  ])('of %s is taken', async (_, password) => {
    expect(readCode(await change(await seedUser(app), password))).toBe('PasswordChangePayload')
  })

  test('that takes long to look at keeps nobody else waiting', async () => {
    const user = await seedUser(app)
    await change(user, 'password123')
    let longestMs = 0
    let lastAt = performance.now()
    const timer = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastAt)
      lastAt = performance.now()
    }, 5)
    await change(user, '1'.repeat(1024))
    clearInterval(timer)
    // On a thread of its own; on this one it would stand still for a third of a second at least.
    expect(longestMs).toBeLessThan(250)
  })
})
