import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { TenantCreate, Viewer } from '../harness/operations.ts'
import { MemberInvite, UserRegister } from '../harness/people-operations.ts'
import { findAuditRecords, findLeaks } from '../harness/records.ts'
import {
  findPlatformTenantId,
  seedAdmin,
  seedPerson,
  seedSession,
  seedUser,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'

const GOOD_PASSWORD = 'orange staple under rivers'
const newEmail = () => `${uniqueName()}@example.com`

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ env: { SIGNUP: 'open' } })
})
afterAll(() => app.stop())

function register(email: string, password = GOOD_PASSWORD, name?: string, headers = {}) {
  const input = { email, password, ...(name !== undefined && { name }) }
  return sendGraphQL(app, UserRegister, { input }, undefined, headers)
}

function createTenant(accessToken: string, slug = uniqueName()) {
  return sendGraphQL(app, TenantCreate, { input: { name: slug, slug, keyPrefix: 'abc' } }, accessToken)
}

describe('who signs up', () => {
  test('has an account, belongs to no tenant, and is recorded', async () => {
    const email = newEmail()
    const requestId = `register-${randomUUIDv7()}`
    const { data } = await register(email.toUpperCase(), GOOD_PASSWORD, 'Ada', { 'x-request-id': requestId })
    expect(data?.userRegister).toMatchObject({ user: { email, name: 'Ada', memberships: [] } })
    await seedSession(app, email, GOOD_PASSWORD)
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      {
        tenant_id: uuidOf(await findPlatformTenantId(app)),
        action: 'user.registered',
        outcome: 'SUCCESS',
        detail: { email },
      },
    ])
    expect(await findLeaks(app, [GOOD_PASSWORD])).toEqual([])
  })

  test('may create a tenant and is its owner, and nobody else is', async () => {
    const email = newEmail()
    await register(email)
    const { accessToken } = await seedSession(app, email, GOOD_PASSWORD)
    const { data } = await createTenant(accessToken)
    if (data?.tenantCreate.__typename !== 'TenantCreatePayload') throw new Error(JSON.stringify(data))
    const viewer = (await sendGraphQL(app, Viewer, {}, accessToken)).data?.viewer
    expect(viewer).toMatchObject({ memberships: [{ role: 'OWNER', tenant: { id: data.tenantCreate.tenant.id } }] })
    const input = { tenantId: data.tenantCreate.tenant.id, email: newEmail(), role: 'OWNER' as const }
    expect(readCode(await sendGraphQL(app, MemberInvite, { input }, accessToken))).toBe('MemberInvitePayload')
    expect(readCode(await sendGraphQL(app, MemberInvite, { input }, (await seedUser(app)).accessToken))).toBe(
      'NOT_FOUND',
    )
  })

  test('owns twenty tenants at most, also when they are created at once', async () => {
    const { accessToken } = await seedUser(app)
    const codes = (await Promise.all(Array.from({ length: 24 }, () => createTenant(accessToken)))).map(readCode)
    expect(codes.filter((code) => code === 'TenantCreatePayload')).toHaveLength(20)
    expect(codes.filter((code) => code === 'CONFLICT')).toHaveLength(4)
  })

  test('with the address of an invitation is no member by that', async () => {
    const { tenantId } = await (await seedAdmin(app)).tenant()
    const owner = await seedUser(app, { tenantId, role: 'OWNER' })
    const email = newEmail()
    await sendGraphQL(app, MemberInvite, { input: { tenantId, email, role: 'ADMIN' } }, owner.accessToken)
    const { data } = await register(email)
    expect(data?.userRegister).toMatchObject({ user: { memberships: [] } })
  })

  test('twice at the same moment has one account', async () => {
    const email = newEmail()
    const codes = (await Promise.all([register(email), register(email)])).map(readCode)
    expect(codes.sort()).toEqual(['CONFLICT', 'UserRegisterPayload'])
  })

  test.each([
    ['a password that is too short', { password: 'kX9!mQ2$v' }, 'password'],
    ['a password that is easy to guess', { password: 'password123' }, 'password'],
    ['an empty name', { name: '' }, 'name'],
    ['a name of two lines', { name: 'a\nb' }, 'name'],
    ['a name that is too long', { name: 'x'.repeat(101) }, 'name'],
    ['an address that is too long', { email: `${'x'.repeat(60)}@${'y.'.repeat(100)}example.com` }, 'email'],
  ])('with %s is told so', async (_, wrong: { password?: string; name?: string; email?: string }, field) => {
    const { email = newEmail(), password, name } = wrong
    const { data } = await register(email, password, name)
    expect(data?.userRegister).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', field] })
  })
})

test('asking for a taken address tells little, and cannot be asked often', async () => {
  const { email } = await seedPerson(app)
  const { data } = await register(email)
  expect(data?.userRegister).toEqual({
    __typename: 'ConflictError',
    code: 'CONFLICT',
    message: 'This address cannot be used; log in if it is yours.',
    path: ['input', 'email'],
  })
  for (let count = 0; count < 4; count++) await register(email)
  expect(readCode(await register(email))).toBe('RATE_LIMITED')
})

describe('where signing up is closed, as it is unless the operator opens it,', () => {
  let closed: TestApp
  beforeAll(async () => {
    closed = await startTestApp()
  })
  afterAll(() => closed.stop())

  test('nobody signs up, and people create no tenants', async () => {
    const { errors } = await sendGraphQL(closed, UserRegister, {
      input: { email: newEmail(), password: GOOD_PASSWORD },
    })
    expect(errors[0]).toMatchObject({
      message: 'Nobody can sign up here; ask to be invited.',
      extensions: { code: 'FORBIDDEN' },
    })
    const { accessToken } = await seedUser(closed)
    const input = { name: 'a', slug: uniqueName(), keyPrefix: 'abc' }
    expect(readCode(await sendGraphQL(closed, TenantCreate, { input }, accessToken))).toBe('FORBIDDEN')
  })
})
