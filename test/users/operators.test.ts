import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyCreate, SessionRefresh, Viewer } from '../harness/operations.ts'
import { UserDelete, UserSessionsEnd, Users } from '../harness/people-operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
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

let app: TestApp
let admin: AdminSeed
let platformTenantId: string

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  platformTenantId = await findPlatformTenantId(app)
})
afterAll(() => app.stop())

async function isLive({ accessToken }: SessionSeed): Promise<boolean> {
  return (await sendGraphQL(app, Viewer, {}, accessToken)).status === 200
}

describe('the list of people', () => {
  test('shows everybody, newest first, in pages, and finds them by a part of the address', async () => {
    const part = uniqueName()
    const { tenantId } = await admin.tenant()
    const ids: string[] = []
    for (let count = 0; count < 3; count++) {
      app.clock.advance(1)
      const { userId } = await seedPerson(app, { tenantId, role: 'VIEWER' })
      await app.query('UPDATE users SET email = $1 WHERE id = $2', [`${part}_${count}@example.com`, uuidOf(userId)])
      ids.unshift(userId)
    }
    const page = async (after: string | null) => {
      const search = ` ${part.toUpperCase()}_`
      const { data, errors } = await sendGraphQL(app, Users, { search, first: 2, after }, admin.accessToken)
      expect(errors).toEqual([])
      return data?.users
    }
    const first = await page(null)
    expect(first?.totalCount).toBe(3)
    const second = await page(first?.pageInfo.endCursor ?? null)
    const nodes = [...(first?.nodes ?? []), ...(second?.nodes ?? [])]
    expect(nodes.map(({ id }) => id)).toEqual(ids)
    expect(nodes[0]?.memberships).toEqual([{ role: 'VIEWER', tenant: { id: tenantId } }])
    expect(second?.pageInfo.hasNextPage).toBe(false)
    const { data } = await sendGraphQL(app, Users, {}, admin.accessToken)
    expect(data?.users.totalCount).toBeGreaterThan(3)
  })

  test('takes what is searched for as it stands, and refuses what no address holds', async () => {
    const search = async (text: string) => sendGraphQL(app, Users, { search: text }, admin.accessToken)
    expect((await search('%')).data?.users.nodes).toEqual([])
    expect((await search('\u0000')).errors[0]?.extensions.code).toBe('VALIDATION_FAILED')
    expect((await search('x'.repeat(255))).errors[0]?.extensions.code).toBe('VALIDATION_FAILED')
  })

  test('is shown to a key that holds `users:read` in the platform tenant and to no other', async () => {
    const input = { name: uniqueName(), environment: 'PRODUCTION' as const, scopes: ['keyward:users:read'] }
    const { data } = await sendGraphQL(
      app,
      ApiKeyCreate,
      { input: { ...input, tenantId: platformTenantId } },
      admin.accessToken,
    )
    if (data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(data))
    const answer = await sendGraphQL(app, Users, {}, data.apiKeyCreate.token ?? '')
    expect(answer.errors).toEqual([])
    expect(answer.data?.users.totalCount).toBeGreaterThan(0)
    const { token } = await (await admin.tenant()).key({ scopes: ['keyward:users:read'] })
    expect((await sendGraphQL(app, Users, {}, token)).errors[0]?.extensions.code).toBe('FORBIDDEN')
  })
})

describe('ending the sessions of a person', () => {
  test('ends all of them at once and none of anybody else, and is recorded', async () => {
    const [user, bystander] = [await seedUser(app), await seedUser(app)]
    const other = await seedSession(app, user.email)
    const requestId = `end-${randomUUIDv7()}`
    const { data } = await sendGraphQL(app, UserSessionsEnd, { id: user.userId }, admin.accessToken, {
      'x-request-id': requestId,
    })
    expect(data?.userSessionsEnd).toEqual({
      __typename: 'UserSessionsEndPayload',
      endedCount: 2,
      user: { id: user.userId },
    })
    expect([await isLive(user), await isLive(other), await isLive(bystander)]).toEqual([false, false, true])
    const { refreshToken } = user
    expect(readCode(await sendGraphQL(app, SessionRefresh, { input: { refreshToken } }))).toBe('INVALID_CREDENTIALS')
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      {
        tenant_id: uuidOf(platformTenantId),
        action: 'user.sessions_ended',
        outcome: 'SUCCESS',
        resource_id: user.userId,
        detail: { endedCount: 2 },
      },
    ])
    expect(await findOutboxRecords(app, requestId)).toMatchObject([
      { type: 'user.sessions_ended', payload: { userId: user.userId, endedCount: 2 } },
    ])
    const again = await sendGraphQL(app, UserSessionsEnd, { id: user.userId }, admin.accessToken)
    expect(again.data?.userSessionsEnd).toMatchObject({ endedCount: 0 })
  })
})

async function remove(
  { userId, email }: { userId: string; email: string },
  who: Pick<SessionSeed, 'accessToken'> = admin,
  headers = {},
) {
  return sendGraphQL(app, UserDelete, { id: userId, confirmEmail: email }, who.accessToken, headers)
}

describe('deleting an account', () => {
  test('ends its sessions, frees its address, leaves its keys and the log', async () => {
    const { tenantId } = await admin.tenant()
    const user = await seedUser(app, { tenantId, role: 'DEVELOPER' })
    const input = { tenantId, name: uniqueName(), environment: 'TEST' as const }
    const made = await sendGraphQL(app, ApiKeyCreate, { input }, user.accessToken)
    if (made.data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(made))
    const apiKeyId = made.data.apiKeyCreate.apiKey.id
    const requestId = `delete-${randomUUIDv7()}`
    const { data } = await remove({ ...user, email: user.email.toUpperCase() }, admin, { 'x-request-id': requestId })
    expect(data?.userDelete).toEqual({ __typename: 'UserDeletePayload', deletedId: user.userId })

    expect(await isLive(user)).toBe(false)
    expect(await app.query('SELECT id FROM users WHERE email = $1', [user.email])).toEqual([])
    const document = 'query ($id: ID!) { apiKey(id: $id) { status createdBy { __typename } } }'
    const key = await sendGraphQL<object, object>(app, document, { id: apiKeyId }, admin.accessToken)
    expect(key.data).toEqual({ apiKey: { status: 'ACTIVE', createdBy: null } })
    const common = { outcome: 'SUCCESS', resource_type: 'User', resource_id: user.userId }
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { ...common, tenant_id: uuidOf(platformTenantId), action: 'user.deleted' },
      {
        ...common,
        tenant_id: uuidOf(tenantId),
        action: 'member.removed',
        detail: { before: { role: 'DEVELOPER' }, reason: 'account deleted' },
      },
    ])
    expect(await findOutboxRecords(app, requestId)).toMatchObject([
      { tenant_id: uuidOf(platformTenantId), type: 'user.deleted', payload: { userId: user.userId } },
    ])
    const log = await app.query('SELECT id FROM audit_events WHERE actor_id = $1', [uuidOf(user.userId)])
    expect(log.length).toBeGreaterThan(0)
    expect(readCode(await remove(user))).toBe('NOT_FOUND')
  })

  test('takes the address of the account as confirmation', async () => {
    const { userId } = await seedPerson(app)
    const { data } = await remove({ userId, email: 'another@example.com' })
    expect(data?.userDelete).toMatchObject({ code: 'VALIDATION_FAILED', path: ['confirmEmail'] })
  })

  test('is refused for the only owner of a tenant, which is named, until there is another', async () => {
    const tenant = await admin.tenant()
    const { tenantId } = tenant
    const owner = await seedPerson(app, { tenantId, role: 'OWNER' })
    const { data } = await remove(owner)
    expect(data?.userDelete).toMatchObject({
      code: 'CONFLICT',
      message: `This is the only owner of \`${tenant.slug}\`: make somebody else an owner first, or delete the tenant.`,
    })
    await seedPerson(app, { tenantId, role: 'OWNER' })
    expect(readCode(await remove(owner))).toBe('UserDeletePayload')
  })

  test('of two owners at the same moment leaves one', async () => {
    for (let round = 0; round < 3; round++) {
      const { tenantId } = await admin.tenant()
      const owners = [
        await seedPerson(app, { tenantId, role: 'OWNER' }),
        await seedPerson(app, { tenantId, role: 'OWNER' }),
      ]
      const codes = (await Promise.all(owners.map((owner) => remove(owner)))).map(readCode)
      expect(codes.sort()).toEqual(['CONFLICT', 'UserDeletePayload'])
    }
  })

  test('is refused for the last admin of the installation', async () => {
    const id = await findViewerId(app, admin.accessToken)
    const last = { userId: id, email: app.firstStart.adminEmail }
    expect(readCode(await remove(last))).toBe('CONFLICT')
    // One without an owner, as a restored database can be.
    await app.query("UPDATE memberships SET role = 'ADMIN' WHERE user_id = $1", [uuidOf(id)])
    const { data } = await remove(last)
    expect(data?.userDelete).toMatchObject({
      message: 'This is the last admin of the installation: make somebody else an admin first.',
    })
    await app.query("UPDATE memberships SET role = 'OWNER' WHERE user_id = $1", [uuidOf(id)])
  })

  test('is refused to who may do less than the person', async () => {
    const [owner, own] = [await seedPlatformUser(app, 'OWNER'), await seedPlatformUser(app, 'ADMIN')]
    expect(readCode(await remove(owner, own))).toBe('FORBIDDEN')
    expect(readCode(await remove(own, owner))).toBe('UserDeletePayload')
  })
})
