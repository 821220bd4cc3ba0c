import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { SessionRefresh } from '../harness/operations.ts'
import { InvitationAccept } from '../harness/people-operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import { seedPerson, seedSession, seedUser, uniqueName } from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'

const FAILURES_MAX = 4

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({
    env: { TRUSTED_PROXIES: '127.0.0.1', LOGIN_ADDRESS_FAILURES_MAX: String(FAILURES_MAX) },
  })
})
afterAll(() => app.stop())

let addresses = 0
function newAddress(): string {
  addresses++
  return `203.0.113.${addresses}`
}

type TryToken = (token: string, headers: Record<string, string>) => Promise<string>

const refresh: TryToken = async (refreshToken, headers) =>
  readCode(await sendGraphQL(app, SessionRefresh, { input: { refreshToken } }, undefined, headers))

const accept: TryToken = async (token, headers) => {
  const input = { token, password: 'orange staple under rivers' }
  return readCode(await sendGraphQL(app, InvitationAccept, { input }, undefined, headers))
}

describe.each([
  ['a refresh', refresh, 'session.failed'],
  ['an invitation', accept, 'invitation.rejected'],
] as const)("tokens of %s that are nobody's", (_, tryToken, action) => {
  test('are recorded once for an address and window, however many come in one document or at once', async () => {
    const headers = { 'x-forwarded-for': newAddress(), 'x-request-id': `unknown-${randomUUIDv7()}` }
    const codes = await Promise.all(Array.from({ length: 10 }, () => tryToken(uniqueName(), headers)))
    expect(codes.filter((code) => code === 'INVALID_CREDENTIALS')).toHaveLength(FAILURES_MAX)
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(10 - FAILURES_MAX)
    expect(await findAuditRecords(app, headers['x-request-id'])).toMatchObject([
      { action, outcome: 'FAILURE', resource_id: null },
    ])
    expect(await findOutboxRecords(app, headers['x-request-id'])).toMatchObject([{ type: 'auth.failed' }])

    app.clock.advance(15 * 60_000)
    expect(await tryToken(uniqueName(), headers)).toBe('INVALID_CREDENTIALS')
    expect(await findAuditRecords(app, headers['x-request-id'])).toHaveLength(2)
  })

  test('are tried once in ten seconds from an address that tried many', async () => {
    const headers = { 'x-forwarded-for': newAddress() }
    for (let count = 0; count < FAILURES_MAX; count++) await tryToken(uniqueName(), headers)
    app.clock.advance(9_999)
    expect(await tryToken(uniqueName(), headers)).toBe('RATE_LIMITED')
    app.clock.advance(1)
    expect(await tryToken(uniqueName(), headers)).toBe('INVALID_CREDENTIALS')
    expect(await tryToken(uniqueName(), headers)).toBe('RATE_LIMITED')
  })
})

test('an address that tried many unknown tokens still refreshes its sessions and logs in', async () => {
  const { refreshToken } = await seedUser(app)
  const headers = { 'x-forwarded-for': '127.0.0.1' }
  for (let count = 0; count <= FAILURES_MAX; count++) await refresh(uniqueName(), headers)
  expect(await refresh(uniqueName(), headers)).toBe('RATE_LIMITED')
  expect(await refresh(refreshToken, headers)).toBe('SessionRefreshPayload')
  const { email } = await seedPerson(app)
  expect((await seedSession(app, email)).accessToken).not.toBe('')
})
