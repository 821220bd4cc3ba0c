import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyCreate, ApiKeyRevoke, SessionCreate, Viewer } from '../harness/operations.ts'
import {
  InvitationAccept,
  MemberInvite,
  MemberRemove,
  PasswordReset,
  UserPasswordResetCreate,
  UserRegister,
} from '../harness/people-operations.ts'
import { findAuditRecords, findLeaks, findOutboxRecords } from '../harness/records.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  findViewerId,
  type SessionSeed,
  seedAdmin,
  seedPerson,
  seedPlatformUser,
  seedSession,
  seedUser,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'

const GOOD_PASSWORD = 'orange staple under rivers'
const HOUR_MS = 60 * 60 * 1000

let app: TestApp
let admin: AdminSeed
let platformTenantId: string

beforeAll(async () => {
  app = await startTestApp({ env: { SIGNUP: 'open', LOGIN_ADDRESS_FAILURES_MAX: '1000' } })
  admin = await seedAdmin(app)
  platformTenantId = await findPlatformTenantId(app)
})
afterAll(() => app.stop())

function create(id: string, who: Pick<SessionSeed, 'accessToken'> = admin, headers = {}) {
  return sendGraphQL(app, UserPasswordResetCreate, { id }, who.accessToken, headers)
}

async function mustCreate(id: string, who: Pick<SessionSeed, 'accessToken'> = admin) {
  const answer = await create(id, who)
  const reset = answer.data?.userPasswordResetCreate
  if (reset?.__typename !== 'UserPasswordResetCreatePayload') throw new Error(JSON.stringify(answer))
  return reset
}

function reset(token: string, newPassword = GOOD_PASSWORD, headers = {}) {
  return sendGraphQL(app, PasswordReset, { input: { token, newPassword } }, undefined, headers)
}

async function logIn(email: string, password: string): Promise<string> {
  return readCode(await sendGraphQL(app, SessionCreate, { input: { email, password } }))
}

async function isLive({ accessToken }: SessionSeed): Promise<boolean> {
  return (await sendGraphQL(app, Viewer, {}, accessToken)).status === 200
}

/** A key of the platform tenant. */
async function seedMachine(scopes: string[]): Promise<{ accessToken: string; apiKeyId: string }> {
  const input = { tenantId: platformTenantId, name: uniqueName(), environment: 'PRODUCTION' as const, scopes }
  const answer = await sendGraphQL(app, ApiKeyCreate, { input }, admin.accessToken)
  const made = answer.data?.apiKeyCreate
  if (made?.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(answer))
  return { accessToken: made.token ?? '', apiKeyId: made.apiKey.id }
}

describe('a token of an operator', () => {
  test('gives the account back to who lost its password, and ends every session of it', async () => {
    const user = await seedUser(app)
    const { resetToken, expiresAt, user: shown } = await mustCreate(user.userId)
    expect(expiresAt).toBe(new Date(app.clock.now() + HOUR_MS).toISOString())
    expect(shown).toEqual({ id: user.userId, email: user.email })
    expect(await isLive(user)).toBe(true)

    const { data } = await reset(resetToken)
    expect(data?.passwordReset).toEqual({
      __typename: 'PasswordResetPayload',
      user: { id: user.userId, email: user.email },
    })
    expect(await isLive(user)).toBe(false)
    expect(await logIn(user.email, ADMIN_PASSWORD)).toBe('INVALID_CREDENTIALS')
    expect(await logIn(user.email, GOOD_PASSWORD)).toBe('SessionCreatePayload')
  })

  test('gives an address that a stranger signed up with to its owner, who then joins', async () => {
    const email = `${uniqueName()}@corp.example`
    await sendGraphQL(app, UserRegister, { input: { email, password: 'a password of the stranger' } })
    const stranger = await seedSession(app, email, 'a password of the stranger')
    const { tenantId } = await admin.tenant()
    const invited = await sendGraphQL(
      app,
      MemberInvite,
      { input: { tenantId, email, role: 'ADMIN' } },
      admin.accessToken,
    )
    if (invited.data?.memberInvite.__typename !== 'MemberInvitePayload') throw new Error('Not invited.')
    const token = invited.data.memberInvite.acceptToken ?? ''

    const { resetToken } = await mustCreate(await findViewerId(app, stranger.accessToken))
    await reset(resetToken)
    expect(await isLive(stranger)).toBe(false)
    const joined = await sendGraphQL(app, InvitationAccept, { input: { token, password: GOOD_PASSWORD } })
    expect(joined.data?.invitationAccept).toMatchObject({ membership: { role: 'ADMIN', tenant: { id: tenantId } } })
  })

  test('is recorded when it is made and used, without itself or a password', async () => {
    const { tenantId } = await admin.tenant()
    const { userId } = await seedPerson(app, { tenantId, role: 'VIEWER' })
    const [made, used] = [`reset-${randomUUIDv7()}`, `reset-${randomUUIDv7()}`]
    const { data } = await create(userId, admin, { 'x-request-id': made })
    if (data?.userPasswordResetCreate.__typename !== 'UserPasswordResetCreatePayload') throw new Error('Not made.')
    const { resetToken, expiresAt } = data.userPasswordResetCreate
    await reset(resetToken, GOOD_PASSWORD, { 'x-request-id': used })

    const common = { outcome: 'SUCCESS', resource_type: 'User', resource_id: userId }
    expect(await findAuditRecords(app, made)).toMatchObject([
      {
        ...common,
        tenant_id: uuidOf(platformTenantId),
        action: 'user.password_reset_created',
        detail: { expiresAt, replaced: false },
      },
    ])
    expect(await findOutboxRecords(app, made)).toMatchObject([
      { type: 'user.password_reset_created', payload: { userId, expiresAt } },
    ])
    expect(await findAuditRecords(app, used)).toMatchObject([
      { ...common, tenant_id: uuidOf(tenantId), action: 'user.password_reset', actor_kind: 'ANONYMOUS' },
    ])
    expect(await findOutboxRecords(app, used)).toMatchObject([
      { tenant_id: uuidOf(platformTenantId), type: 'user.password_reset', payload: { userId } },
    ])
    expect(await findLeaks(app, [resetToken, GOOD_PASSWORD])).toEqual([])
  })

  test('works once, also when it is used twice at the same moment', async () => {
    const { userId, email } = await seedPerson(app)
    const { resetToken } = await mustCreate(userId)
    const answers = await Promise.all([reset(resetToken), reset(resetToken, 'purple engines over hills')])
    expect(answers.map(readCode).sort()).toEqual(['INVALID_CREDENTIALS', 'PasswordResetPayload'])
    expect(readCode(await reset(resetToken))).toBe('INVALID_CREDENTIALS')
    expect(await logIn(email, ADMIN_PASSWORD)).toBe('INVALID_CREDENTIALS')
  })

  test('makes one that was made before worthless', async () => {
    const { userId } = await seedPerson(app)
    const [first, second] = [await mustCreate(userId), await mustCreate(userId)]
    expect(readCode(await reset(first.resetToken))).toBe('INVALID_CREDENTIALS')
    expect(readCode(await reset(second.resetToken))).toBe('PasswordResetPayload')
  })

  test('counts until the millisecond at which it expires, and its failure is recorded', async () => {
    const [early, late] = [await seedPerson(app), await seedPerson(app)]
    const tokens = [(await mustCreate(early.userId)).resetToken, (await mustCreate(late.userId)).resetToken] as const
    app.clock.advance(HOUR_MS - 1)
    expect(readCode(await reset(tokens[0]))).toBe('PasswordResetPayload')
    app.clock.advance(1)
    const requestId = `reset-${randomUUIDv7()}`
    expect(readCode(await reset(tokens[1], GOOD_PASSWORD, { 'x-request-id': requestId }))).toBe('INVALID_CREDENTIALS')
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { action: 'password.rejected', outcome: 'FAILURE', resource_id: late.userId },
    ])
    expect(await findOutboxRecords(app, requestId)).toMatchObject([
      { type: 'auth.failed', payload: { method: 'PASSWORD_RESET', userId: late.userId } },
    ])
    admin = await seedAdmin(app)
  })

  test('lets its person in at once at an address that was locked for trying old passwords', async () => {
    const { userId, email } = await seedPerson(app)
    for (let count = 0; count < 5; count++) await logIn(email, `not this one ${count}`)
    expect(await logIn(email, ADMIN_PASSWORD)).toBe('RATE_LIMITED')
    await reset((await mustCreate(userId)).resetToken)
    expect(await logIn(email, GOOD_PASSWORD)).toBe('SessionCreatePayload')
  })

  test.each([
    ['too short', 'kX9!mQ2$v'],
    ['a common one', 'password123'],
    ['too long', 'x'.repeat(1025)],
  ])('is still good after a new password that is %s', async (_, password) => {
    const { resetToken } = await mustCreate((await seedPerson(app)).userId)
    const { data } = await reset(resetToken, password)
    expect(data?.passwordReset).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'newPassword'] })
    expect(readCode(await reset(resetToken))).toBe('PasswordResetPayload')
  })

  test.each(['', 'none', '\u0000', 'x'.repeat(100_000)])('that reads %j is nobody’s', async (token) => {
    expect(readCode(await reset(token))).toBe('INVALID_CREDENTIALS')
  })
})

describe('nobody becomes somebody who may do more', () => {
  test('an ADMIN of the platform resets no password of its OWNER, and an OWNER that of an ADMIN', async () => {
    const [owner, own] = [await seedPlatformUser(app, 'OWNER'), await seedPlatformUser(app, 'ADMIN')]
    const requestId = `reset-${randomUUIDv7()}`
    expect(readCode(await create(owner.userId, own, { 'x-request-id': requestId }))).toBe('FORBIDDEN')
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { tenant_id: uuidOf(platformTenantId), action: 'authorization.rejected', outcome: 'DENIED' },
    ])
    expect(readCode(await create(own.userId, owner))).toBe('UserPasswordResetCreatePayload')
  })

  test('a key that may do little resets the password of nobody who may do more', async () => {
    const { tenantId } = await admin.tenant()
    const machine = await seedMachine(['keyward:users:write'])
    const [owner, stranger] = [await seedPerson(app, { tenantId, role: 'OWNER' }), await seedPerson(app)]
    expect(readCode(await create(owner.userId, machine))).toBe('FORBIDDEN')
    expect(readCode(await create(stranger.userId, machine))).toBe('UserPasswordResetCreatePayload')
  })

  test('a token counts for as long as who made it may do what the person may', async () => {
    const operator = await seedPlatformUser(app, 'ADMIN')
    const machine = await seedMachine(['keyward:users:write'])
    const [first, second, third] = [await seedPerson(app), await seedPerson(app), await seedPerson(app)]
    const ofOperator = await mustCreate(first.userId, operator)
    const [ofKey, ofKeyToo] = [await mustCreate(second.userId, machine), await mustCreate(third.userId, machine)]
    const { tenantId } = await admin.tenant()
    await app.query("INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, 'OWNER', now())", [
      uuidOf(tenantId),
      uuidOf(third.userId),
    ])
    expect(readCode(await reset(ofKeyToo.resetToken))).toBe('INVALID_CREDENTIALS')
    const input = { tenantId: platformTenantId, userId: operator.userId }
    await sendGraphQL(app, MemberRemove, { input }, admin.accessToken)
    await sendGraphQL(app, ApiKeyRevoke, { id: machine.apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    expect(readCode(await reset(ofOperator.resetToken))).toBe('INVALID_CREDENTIALS')
    expect(readCode(await reset(ofKey.resetToken))).toBe('INVALID_CREDENTIALS')
  })

  test('an operator makes no token for the own account', async () => {
    const operator = await seedPlatformUser(app, 'ADMIN')
    expect(readCode(await create(operator.userId, operator))).toBe('CONFLICT')
  })
})
