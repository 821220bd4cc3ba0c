import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { SessionCreate, SessionRefresh } from '../harness/operations.ts'
import { UserPasswordResetCreate } from '../harness/people-operations.ts'
import { seedAdmin, seedInvitation, seedPerson, seedUser, uuidOf } from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'

const DAY_MS = 24 * 60 * 60 * 1000

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

async function refresh(refreshToken: string) {
  return sendGraphQL(app, SessionRefresh, { input: { refreshToken } })
}

async function countRows(table: string, userId: string): Promise<number> {
  const sql =
    table === 'refresh_tokens'
      ? 'SELECT FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE s.user_id = $1'
      : `SELECT FROM ${table} WHERE user_id = $1`
  return (await app.query(sql, [uuidOf(userId)])).length
}

test('a used refresh token is kept for its own time, so that its coming again ends the session', async () => {
  const { userId, refreshToken } = await seedUser(app)
  app.clock.advance(6 * DAY_MS)
  const refreshed = (await refresh(refreshToken)).data?.sessionRefresh
  if (refreshed?.__typename !== 'SessionRefreshPayload') throw new Error(JSON.stringify(refreshed))
  await app.purge()
  expect(await countRows('refresh_tokens', userId)).toBe(2)

  app.clock.advance(2 * DAY_MS)
  await app.purge()
  expect(await countRows('refresh_tokens', userId)).toBe(1)
  expect(readCode(await refresh(refreshed.refreshToken))).toBe('SessionRefreshPayload')
})

test('a session is cleared away a day after its last refresh token has run out, and none before', async () => {
  const { userId } = await seedUser(app)
  app.clock.advance(8 * DAY_MS - 1)
  await app.purge()
  expect([await countRows('sessions', userId), await countRows('refresh_tokens', userId)]).toEqual([1, 1])
  app.clock.advance(1)
  await app.purge()
  expect([await countRows('sessions', userId), await countRows('refresh_tokens', userId)]).toEqual([0, 0])
})

test('an invitation stays in the list of its tenant for ninety days after its time', async () => {
  const { tenantId } = await (await seedAdmin(app)).tenant()
  const id = uuidOf(await seedInvitation(app, tenantId))
  const isKept = async () => (await app.query('SELECT FROM invitations WHERE id = $1', [id])).length === 1
  app.clock.advance(91 * DAY_MS - 1)
  await app.purge()
  expect(await isKept()).toBe(true)
  app.clock.advance(1)
  await app.purge()
  expect(await isKept()).toBe(false)
})

test('failed logins and tokens for new passwords are cleared away when they are over', async () => {
  const { userId, email } = await seedPerson(app)
  const admin = await seedAdmin(app)
  await sendGraphQL(app, UserPasswordResetCreate, { id: userId }, admin.accessToken)
  await sendGraphQL(app, SessionCreate, { input: { email, password: 'not this one' } })
  app.clock.advance(15 * 60_000 - 1)
  await app.purge()
  expect(await app.query('SELECT FROM login_failures')).toHaveLength(1)
  expect(await countRows('password_resets', userId)).toBe(1)
  app.clock.advance(1)
  await app.purge()
  expect(await app.query('SELECT FROM login_failures')).toHaveLength(0)
  app.clock.advance(2 * DAY_MS)
  await app.purge()
  expect(await countRows('password_resets', userId)).toBe(0)
})

test('more than a statement takes is cleared away in one run', async () => {
  const now = new Date(app.clock.now())
  await app.query(
    `INSERT INTO login_failures (id, account, source, failed_at)
     SELECT gen_random_uuid(), '\\x00', '\\x00', $1 FROM generate_series(1, 2500)`,
    [now],
  )
  app.clock.advance(DAY_MS)
  await app.purge()
  expect(await app.query('SELECT FROM login_failures')).toHaveLength(0)
})
