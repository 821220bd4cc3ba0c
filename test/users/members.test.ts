import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PERMISSION_NAMES, permissionScope, roleHolds } from '../../src/actors/permissions.ts'
import type { Role } from '../generated/graphql/graphql.ts'
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyCreate, ApiKeyRevoke, TenantConfigSet, Viewer } from '../harness/operations.ts'
import {
  InvitationAccept,
  InvitationRevoke,
  MemberInvite,
  MemberRemove,
  MemberRoleSet,
  Members,
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
  type UserSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'

const GOOD_PASSWORD = 'orange staple under rivers'
const WEEK_MS = 7 * 24 * 60 * 60 * 1000

let app: TestApp
let admin: AdminSeed
let tenantId: string
let owner: UserSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())
beforeEach(async () => {
  tenantId = (await admin.tenant()).tenantId
  owner = await seedUser(app, { tenantId, role: 'OWNER' })
})

const newEmail = () => `${uniqueName()}@example.com`

async function invite(email: string, role: Role, who: SessionSeed = owner, headers = {}) {
  return sendGraphQL(app, MemberInvite, { input: { tenantId, email, role } }, who.accessToken, headers)
}

async function mustInvite(email: string, role: Role = 'VIEWER', who: SessionSeed = owner) {
  const answer = await invite(email, role, who)
  const invited = answer.data?.memberInvite
  if (invited?.__typename !== 'MemberInvitePayload' || invited.acceptToken === null) {
    throw new Error(JSON.stringify(answer))
  }
  return { ...invited, acceptToken: invited.acceptToken }
}

function accept(token: string, more: { password?: string; name?: string } = {}, who?: SessionSeed, headers = {}) {
  return sendGraphQL(app, InvitationAccept, { input: { token, ...more } }, who?.accessToken, headers)
}

async function setRole(userId: string, role: Role, who: SessionSeed = owner, headers = {}) {
  return readCode(
    await sendGraphQL(app, MemberRoleSet, { input: { tenantId, userId, role } }, who.accessToken, headers),
  )
}

async function remove(userId: string, who: SessionSeed = owner, headers = {}) {
  return readCode(await sendGraphQL(app, MemberRemove, { input: { tenantId, userId } }, who.accessToken, headers))
}

async function rolesOf({ accessToken }: SessionSeed) {
  const { data } = await sendGraphQL(app, Viewer, {}, accessToken)
  if (data?.viewer?.__typename !== 'User') throw new Error(JSON.stringify(data))
  return data.viewer.memberships.map(({ role, tenant }) => ({ role, tenantId: tenant.id }))
}

describe('an invitation', () => {
  test('makes its person a member, who has what the role allows at once', async () => {
    const email = newEmail()
    const { acceptToken, invitation } = await mustInvite(email.toUpperCase(), 'ADMIN')
    expect(invitation).toMatchObject({
      email,
      role: 'ADMIN',
      status: 'OPEN',
      tenant: { id: tenantId },
      invitedBy: { id: owner.userId },
      expiresAt: new Date(app.clock.now() + WEEK_MS).toISOString(),
    })
    const { data } = await accept(acceptToken, { password: GOOD_PASSWORD, name: 'Ada' })
    expect(data?.invitationAccept).toMatchObject({
      membership: { user: { email, name: 'Ada' }, tenant: { id: tenantId }, role: 'ADMIN' },
    })
    const session = await seedSession(app, email, GOOD_PASSWORD)
    expect(await rolesOf(session)).toEqual([{ role: 'ADMIN', tenantId }])
  })

  test('is recorded when it is made and when it is accepted, without its token or the password', async () => {
    const [made, joined] = [`invite-${randomUUIDv7()}`, `accept-${randomUUIDv7()}`]
    const email = newEmail()
    const { data } = await invite(email, 'VIEWER', owner, { 'x-request-id': made })
    if (data?.memberInvite.__typename !== 'MemberInvitePayload') throw new Error(JSON.stringify(data))
    const { acceptToken, invitation } = data.memberInvite
    if (acceptToken === null) throw new Error('no token')
    await accept(acceptToken, { password: GOOD_PASSWORD }, undefined, { 'x-request-id': joined })
    const { id } = invitation
    expect(await findAuditRecords(app, made)).toMatchObject([
      {
        tenant_id: uuidOf(tenantId),
        action: 'member.invited',
        outcome: 'SUCCESS',
        actor_id: uuidOf(owner.userId),
        resource_type: 'Invitation',
        resource_id: id,
        detail: { after: { email, role: 'VIEWER' }, replaced: false },
      },
    ])
    expect(await findAuditRecords(app, joined)).toMatchObject([
      {
        tenant_id: uuidOf(tenantId),
        action: 'member.joined',
        outcome: 'SUCCESS',
        actor_kind: 'ANONYMOUS',
        resource_type: 'User',
        detail: { invitation: id, email, role: 'VIEWER', isNew: true },
      },
    ])
    expect(await findOutboxRecords(app, joined)).toEqual([])
    expect(await findLeaks(app, [acceptToken, GOOD_PASSWORD])).toEqual([])
    const kept = await app.query<{ text: string }>('SELECT invitations::text AS text FROM invitations')
    expect(kept.filter(({ text }) => text.includes(acceptToken))).toEqual([])
  })

  test('works once, also when it is used twice at the same moment', async () => {
    for (let round = 0; round < 3; round++) {
      const person = await seedUser(app)
      const { acceptToken } = await mustInvite(person.email)
      const answers = await Promise.all([accept(acceptToken, {}, person), accept(acceptToken, {}, person)])
      expect(answers.map(readCode).sort()).toEqual(['INVALID_CREDENTIALS', 'InvitationAcceptPayload'])
      expect(readCode(await accept(acceptToken, {}, person))).toBe('INVALID_CREDENTIALS')
    }
  })

  test('makes one account of a person who is new and accepts twice at the same moment', async () => {
    const email = newEmail()
    const { acceptToken } = await mustInvite(email)
    const joins = [accept(acceptToken, { password: GOOD_PASSWORD }), accept(acceptToken, { password: GOOD_PASSWORD })]
    const codes = (await Promise.all(joins)).map(readCode)
    expect(codes.filter((code) => code === 'InvitationAcceptPayload')).toHaveLength(1)
    expect(await app.query('SELECT id FROM users WHERE email = $1', [email])).toHaveLength(1)
  })

  test('counts until the millisecond at which it expires', async () => {
    const [early, late] = [newEmail(), newEmail()]
    const tokens = [(await mustInvite(early)).acceptToken, (await mustInvite(late)).acceptToken] as const
    app.clock.advance(WEEK_MS - 1)
    expect(readCode(await accept(tokens[0], { password: GOOD_PASSWORD }))).toBe('InvitationAcceptPayload')
    app.clock.advance(1)
    const { data } = await accept(tokens[1], { password: GOOD_PASSWORD })
    expect(data?.invitationAccept).toMatchObject({
      code: 'INVALID_CREDENTIALS',
      message: 'The invitation does not count, or not any more; ask for another.',
    })
    expect(await app.query('SELECT id FROM users WHERE email = $1', [late])).toEqual([])
    app.clock.advance(-WEEK_MS)
  })

  test('is replaced by a later one for the same address', async () => {
    const email = newEmail()
    const first = await mustInvite(email, 'ADMIN')
    const second = await mustInvite(email.toUpperCase(), 'VIEWER')
    expect(readCode(await accept(first.acceptToken, { password: GOOD_PASSWORD }))).toBe('INVALID_CREDENTIALS')
    const { data } = await accept(second.acceptToken, { password: GOOD_PASSWORD })
    expect(data?.invitationAccept).toMatchObject({ membership: { role: 'VIEWER' } })
  })

  test('of many for one address at once leaves one open', async () => {
    const email = newEmail()
    const answers = await Promise.all(Array.from({ length: 5 }, () => invite(email, 'VIEWER')))
    expect(answers.map(readCode)).toEqual(Array(5).fill('MemberInvitePayload'))
    const open = await app.query(
      'SELECT id FROM invitations WHERE email = $1 AND revoked_at IS NULL AND accepted_at IS NULL',
      [email],
    )
    expect(open).toHaveLength(1)
  })

  test('can be taken back, once', async () => {
    const { acceptToken, invitation } = await mustInvite(newEmail())
    const requestId = `revoke-${randomUUIDv7()}`
    const revoke = () =>
      sendGraphQL(app, InvitationRevoke, { id: invitation.id }, owner.accessToken, { 'x-request-id': requestId })
    expect((await revoke()).data?.invitationRevoke).toMatchObject({ invitation: { status: 'REVOKED' } })
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { action: 'invitation.revoked', outcome: 'SUCCESS', resource_id: invitation.id },
    ])
    expect(readCode(await revoke())).toBe('CONFLICT')
    expect(readCode(await accept(acceptToken, { password: GOOD_PASSWORD }))).toBe('INVALID_CREDENTIALS')
  })

  test.each(['', 'none', '\u0000', 'x'.repeat(100_000)])('with the token %j is nobody’s', async (token) => {
    expect(readCode(await accept(token, { password: GOOD_PASSWORD }))).toBe('INVALID_CREDENTIALS')
  })

  test('of a member is a conflict', async () => {
    const { email } = await seedPerson(app, { tenantId, role: 'VIEWER' })
    const { data } = await invite(email, 'ADMIN')
    expect(data?.memberInvite).toMatchObject({ code: 'CONFLICT', path: ['input', 'email'] })
  })
})

describe('who accepts', () => {
  test('with an account needs its session or its password, not the token alone', async () => {
    const person = await seedUser(app)
    const { acceptToken } = await mustInvite(person.email)
    const { data } = await accept(acceptToken)
    expect(data?.invitationAccept).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'password'] })
    expect(readCode(await accept(acceptToken, { password: GOOD_PASSWORD }))).toBe('INVALID_CREDENTIALS')
    expect(await rolesOf(person)).toEqual([])
    expect(readCode(await accept(acceptToken, { password: ADMIN_PASSWORD }))).toBe('InvitationAcceptPayload')
    expect(await rolesOf(person)).toEqual([{ role: 'VIEWER', tenantId }])
  })

  test('as somebody else does not join, and neither does the invited', async () => {
    const [invited, other] = [await seedUser(app), await seedUser(app)]
    const { acceptToken } = await mustInvite(invited.email)
    expect(readCode(await accept(acceptToken, {}, other))).toBe('VALIDATION_FAILED')
    expect([await rolesOf(invited), await rolesOf(other)]).toEqual([[], []])
  })

  test('guesses the password of the account no more often than in a login', async () => {
    const person = await seedPerson(app)
    const { acceptToken } = await mustInvite(person.email)
    const codes: string[] = []
    for (let count = 0; count < 6; count++)
      codes.push(readCode(await accept(acceptToken, { password: `wrong ${count}` })))
    expect(codes).toEqual([...Array(5).fill('INVALID_CREDENTIALS'), 'RATE_LIMITED'])
  })

  test.each([
    ['too short', 'kX9!mQ2$v', 'must have at least 10 characters'],
    ['a common one', 'password123', 'is too easy to guess'],
    ['too long', 'x'.repeat(1025), 'must have at most 1024 characters'],
  ])('as a new person with a password that is %s is told so, and can try again', async (_, password, detail) => {
    const { acceptToken } = await mustInvite(newEmail())
    const { data } = await accept(acceptToken, { password })
    expect(data?.invitationAccept).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'password'] })
    expect(JSON.stringify(data)).toContain(detail)
    expect(readCode(await accept(acceptToken, { password: GOOD_PASSWORD }))).toBe('InvitationAcceptPayload')
  })

  test('cannot take the own address as a password', async () => {
    const email = `${uniqueName()}.somebody@example.com`
    const { acceptToken } = await mustInvite(email)
    expect(readCode(await accept(acceptToken, { password: email }))).toBe('VALIDATION_FAILED')
  })
})

describe('an invitation counts for as long as who invited may give the role', () => {
  test('who was removed does not come back by one that was kept for that', async () => {
    const who = await seedUser(app, { tenantId, role: 'ADMIN' })
    const { acceptToken } = await mustInvite(newEmail(), 'ADMIN', who)
    await remove(who.userId)
    expect(readCode(await accept(acceptToken, { password: GOOD_PASSWORD }))).toBe('INVALID_CREDENTIALS')
  })

  test('nor does who was given a lesser role', async () => {
    const who = await seedUser(app, { tenantId, role: 'OWNER' })
    const [owns, manages] = [await mustInvite(newEmail(), 'OWNER', who), await mustInvite(newEmail(), 'ADMIN', who)]
    await setRole(who.userId, 'ADMIN')
    expect(readCode(await accept(owns.acceptToken, { password: GOOD_PASSWORD }))).toBe('INVALID_CREDENTIALS')
    expect(readCode(await accept(manages.acceptToken, { password: GOOD_PASSWORD }))).toBe('InvitationAcceptPayload')
  })

  test('nor does a key that was revoked', async () => {
    const scopes = PERMISSION_NAMES.filter((name) => roleHolds('OWNER', name)).map(permissionScope)
    const { data } = await sendGraphQL(
      app,
      ApiKeyCreate,
      { input: { tenantId, name: uniqueName(), environment: 'PRODUCTION', scopes } },
      owner.accessToken,
    )
    const made = data?.apiKeyCreate
    if (made?.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(data))
    const machine = { accessToken: made.token ?? '', refreshToken: '' }
    const [before, after] = [
      await mustInvite(newEmail(), 'VIEWER', machine),
      await mustInvite(newEmail(), 'VIEWER', machine),
    ]
    expect(before.invitation.invitedBy).toEqual({ id: made.apiKey.id })
    expect(readCode(await accept(before.acceptToken, { password: GOOD_PASSWORD }))).toBe('InvitationAcceptPayload')
    await sendGraphQL(app, ApiKeyRevoke, { id: made.apiKey.id, input: { reason: 'test' } }, owner.accessToken)
    expect(readCode(await accept(after.acceptToken, { password: GOOD_PASSWORD }))).toBe('INVALID_CREDENTIALS')
  })
})

describe('nobody gives more than they have', () => {
  test.each<[Role, Role, string]>([
    ['ADMIN', 'OWNER', 'FORBIDDEN'],
    ['ADMIN', 'ADMIN', 'MemberInvitePayload'],
    ['OWNER', 'OWNER', 'MemberInvitePayload'],
  ])('an %s who invites an %s is answered %s', async (own, given, code) => {
    const who = await seedUser(app, { tenantId, role: own })
    expect(readCode(await invite(newEmail(), given, who))).toBe(code)
  })

  test('an ADMIN neither makes an OWNER nor changes or removes one', async () => {
    const who = await seedUser(app, { tenantId, role: 'ADMIN' })
    const viewer = await seedPerson(app, { tenantId, role: 'VIEWER' })
    await seedPerson(app, { tenantId, role: 'OWNER' })
    const requestId = `grant-${randomUUIDv7()}`
    expect(await setRole(viewer.userId, 'OWNER', who, { 'x-request-id': requestId })).toBe('FORBIDDEN')
    expect(await setRole(owner.userId, 'VIEWER', who)).toBe('FORBIDDEN')
    expect(await remove(owner.userId, who)).toBe('FORBIDDEN')
    expect(await setRole(await findViewerId(app, who.accessToken), 'OWNER', who)).toBe('FORBIDDEN')
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { tenant_id: uuidOf(tenantId), action: 'authorization.rejected', outcome: 'DENIED' },
    ])
  })

  test('an ADMIN takes back no invitation of an OWNER', async () => {
    const who = await seedUser(app, { tenantId, role: 'ADMIN' })
    const { invitation } = await mustInvite(newEmail(), 'OWNER')
    expect(readCode(await sendGraphQL(app, InvitationRevoke, { id: invitation.id }, who.accessToken))).toBe('FORBIDDEN')
  })

  test('an ADMIN of the platform acts as an owner elsewhere, and as an ADMIN at home', async () => {
    const who = await seedPlatformUser(app, 'ADMIN')
    expect(readCode(await invite(newEmail(), 'OWNER', who))).toBe('MemberInvitePayload')
    const input = { tenantId: await findPlatformTenantId(app), email: newEmail(), role: 'OWNER' as const }
    expect(readCode(await sendGraphQL(app, MemberInvite, { input }, who.accessToken))).toBe('FORBIDDEN')
    expect(
      readCode(await sendGraphQL(app, MemberInvite, { input: { ...input, role: 'ADMIN' } }, who.accessToken)),
    ).toBe('MemberInvitePayload')
  })
})

describe('a member', () => {
  test('who gets another role may do what it allows from the next request on', async () => {
    const member = await seedUser(app, { tenantId, role: 'VIEWER' })
    const configure = async () =>
      readCode(await sendGraphQL(app, TenantConfigSet, { tenantId, input: { perMinute: 5 } }, member.accessToken))
    expect(await configure()).toBe('FORBIDDEN')
    const requestId = `role-${randomUUIDv7()}`
    expect(await setRole(member.userId, 'ADMIN', owner, { 'x-request-id': requestId })).toBe('MemberRoleSetPayload')
    expect(await configure()).toBe('TenantConfigSetPayload')
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      {
        action: 'member.role_changed',
        outcome: 'SUCCESS',
        resource_id: member.userId,
        detail: { before: { role: 'VIEWER' }, after: { role: 'ADMIN' } },
      },
    ])
    expect(await setRole(member.userId, 'VIEWER')).toBe('MemberRoleSetPayload')
    expect(await configure()).toBe('FORBIDDEN')
  })

  test('who is removed has lost all power on the next request, with the session still open', async () => {
    const member = await seedUser(app, { tenantId, role: 'ADMIN' })
    const requestId = `remove-${randomUUIDv7()}`
    expect(await remove(member.userId, owner, { 'x-request-id': requestId })).toBe('MemberRemovePayload')
    const { data } = await sendGraphQL(app, TenantConfigSet, { tenantId, input: { perMinute: 5 } }, member.accessToken)
    expect(data?.tenantConfigSet).toMatchObject({ code: 'NOT_FOUND' })
    expect(await rolesOf(member)).toEqual([])
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      {
        action: 'member.removed',
        outcome: 'SUCCESS',
        resource_id: member.userId,
        detail: { before: { role: 'ADMIN' } },
      },
    ])
    expect(await remove(member.userId)).toBe('NOT_FOUND')
  })

  test.each<Role>(['ADMIN', 'DEVELOPER', 'VIEWER'])(
    'who is %s can leave, and remove nobody else by that',
    async (role) => {
      const [member, other] = [
        await seedUser(app, { tenantId, role }),
        await seedPerson(app, { tenantId, role: 'OWNER' }),
      ]
      expect(await remove(other.userId, member)).toBe('FORBIDDEN')
      const requestId = `leave-${randomUUIDv7()}`
      expect(await remove(member.userId, member, { 'x-request-id': requestId })).toBe('MemberRemovePayload')
      expect(await rolesOf(member)).toEqual([])
      expect(await findAuditRecords(app, requestId)).toMatchObject([
        { action: 'member.removed', outcome: 'SUCCESS', actor_id: uuidOf(member.userId), resource_id: member.userId },
      ])
      expect(await remove(member.userId, member)).toBe('NOT_FOUND')
    },
  )

  test('who is the only owner can be neither removed nor changed', async () => {
    expect(await remove(owner.userId)).toBe('CONFLICT')
    expect(await setRole(owner.userId, 'ADMIN')).toBe('CONFLICT')
    expect(await setRole(owner.userId, 'OWNER')).toBe('MemberRoleSetPayload')
  })

  test('of two owners who leave at the same moment one stays', async () => {
    for (let round = 0; round < 3; round++) {
      const { tenantId: shared } = await admin.tenant()
      const [first, second] = [
        await seedUser(app, { tenantId: shared, role: 'OWNER' }),
        await seedUser(app, { tenantId: shared, role: 'OWNER' }),
      ]
      const leave = async ({ userId, accessToken }: UserSeed) =>
        readCode(await sendGraphQL(app, MemberRemove, { input: { tenantId: shared, userId } }, accessToken))
      const codes = await Promise.all([leave(first), leave(second)])
      expect(codes.sort()).toEqual(['CONFLICT', 'MemberRemovePayload'])
    }
  })
})

describe('the lists of a tenant', () => {
  test('show members and invitations, newest first, in pages', async () => {
    const viewer = await seedUser(app, { tenantId, role: 'VIEWER' })
    for (let count = 0; count < 3; count++) {
      app.clock.advance(1)
      await seedPerson(app, { tenantId, role: 'DEVELOPER' })
    }
    const { invitation } = await mustInvite(newEmail())
    const page = (after?: string) =>
      sendGraphQL(app, Members, { tenantId, first: 2, after: after ?? null }, viewer.accessToken)
    const first = (await page()).data
    expect(first?.invitations).toEqual({
      totalCount: 1,
      nodes: [{ id: invitation.id, email: invitation.email, role: 'VIEWER', status: 'OPEN' }],
    })
    expect(first?.members.totalCount).toBe(5)
    const second = (await page(first?.members.pageInfo.endCursor ?? '')).data
    const third = (await page(second?.members.pageInfo.endCursor ?? '')).data
    const all = [first, second, third].flatMap((data) => data?.members.nodes ?? [])
    expect(all.map(({ role }) => role)).toEqual([
      ...Array(3).fill('DEVELOPER'),
      ...all.slice(3).map(({ role }) => role),
    ])
    expect(new Set(all.map(({ user }) => user.id)).size).toBe(5)
    expect(third?.members.pageInfo.hasNextPage).toBe(false)
  })

  test('of many members take one statement, and another for their number when it is asked for', async () => {
    const statementsOf = async (selection: string) => {
      const document = `query ($tenantId: ID!) { members(tenantId: $tenantId) ${selection} }`
      const before = app.statements.length
      const { errors } = await sendGraphQL(app, document, { tenantId }, owner.accessToken)
      expect(errors).toEqual([])
      return app.statements.slice(before).filter((sql) => /"memberships"/.test(sql) && !/"sessions" AS/.test(sql))
        .length
    }
    expect(await statementsOf('{ nodes { role user { email } tenant { slug } } }')).toBe(1)
    expect(await statementsOf('{ totalCount nodes { role user { email } tenant { slug } } }')).toBe(2)
  })

  test('refuse a page that is too long and a cursor of another list', async () => {
    const ask = (variables: object) => sendGraphQL(app, Members, { tenantId, ...variables }, owner.accessToken)
    expect((await ask({ first: 101 })).errors[0]?.extensions.code).toBe('VALIDATION_FAILED')
    expect((await ask({ after: 'x' })).errors[0]?.extensions.code).toBe('VALIDATION_FAILED')
  })
})
