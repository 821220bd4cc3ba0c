import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyById, ApiKeyDisable, ApiKeyEnable, ApiKeyRevoke } from '../harness/operations.ts'
import { findAuditRecords, findLeaks, findOutboxRecords } from '../harness/records.ts'
import { seedAdmin, seedUser, type TenantSeed, type UserSeed, uuidOf } from '../harness/seed.ts'

let app: TestApp
let tenant: TenantSeed
let user: UserSeed

beforeAll(async () => {
  app = await startTestApp()
  tenant = await (await seedAdmin(app)).tenant()
  user = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
})
afterAll(() => app.stop())

type Headers = Record<string, string>

async function revoke(id: string, reason = 'leaked', headers: Headers = {}) {
  const { data, errors } = await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason } }, user.accessToken, headers)
  expect(errors).toEqual([])
  return data?.apiKeyRevoke
}
async function disable(id: string, headers: Headers = {}) {
  return (await sendGraphQL(app, ApiKeyDisable, { id }, user.accessToken, headers)).data?.apiKeyDisable
}
async function enable(id: string, headers: Headers = {}) {
  return (await sendGraphQL(app, ApiKeyEnable, { id }, user.accessToken, headers)).data?.apiKeyEnable
}
async function statusOf(id: string) {
  return (await sendGraphQL(app, ApiKeyById, { id }, user.accessToken)).data?.apiKey?.status
}

const conflict = (message: string) => ({ __typename: 'ConflictError', code: 'CONFLICT', message, path: [] })

describe.each([
  {
    change: 'revoked',
    prepare: async () => undefined,
    run: (id: string, headers: Headers) => revoke(id, 'leaked', headers),
    before: 'ACTIVE',
    after: 'REVOKED',
    reason: 'leaked',
  },
  {
    change: 'disabled',
    prepare: async () => undefined,
    run: disable,
    before: 'ACTIVE',
    after: 'DISABLED',
    reason: null,
  },
  { change: 'enabled', prepare: disable, run: enable, before: 'DISABLED', after: 'ACTIVE', reason: null },
])('a key that is $change', ({ change, prepare, run, before, after, reason }) => {
  test('is so from the answer on, recorded and told', async () => {
    const { apiKeyId: id, token } = await tenant.key({ name: `to be ${change}`, environment: 'STAGING' })
    await prepare(id)
    const requestId = `state-${change}`
    const answer = await run(id, { 'x-request-id': requestId, 'user-agent': 'a browser' })

    expect(answer).toMatchObject({ apiKey: { id, status: after } })
    expect(await statusOf(id)).toBe(after)
    expect(await findAuditRecords(app, requestId)).toEqual([
      {
        tenant_id: uuidOf(tenant.tenantId),
        action: `api_key.${change}`,
        outcome: 'SUCCESS',
        actor_kind: 'USER',
        actor_id: uuidOf(user.userId),
        resource_type: 'ApiKey',
        resource_id: id,
        detail: { before: { status: before }, after: { status: after, revokedReason: reason } },
        occurred_at: new Date(app.clock.now()),
        ip: '127.0.0.1',
        user_agent: 'a browser',
        correlation_id: requestId,
      },
    ])
    const data = { apiKeyId: id, name: `to be ${change}`, environment: 'STAGING' }
    expect(await findOutboxRecords(app, requestId)).toEqual([
      {
        tenant_id: uuidOf(tenant.tenantId),
        type: `api_key.${change}`,
        payload: reason === null ? data : { ...data, reason },
        occurred_at: new Date(app.clock.now()),
        correlation_id: requestId,
        dispatched_at: null,
      },
    ])
    expect(await findLeaks(app, [token])).toEqual([])
  })

  test('cannot be so again, and the attempt leaves nothing', async () => {
    const { apiKeyId: id } = await tenant.key()
    await prepare(id)
    await run(id, {})
    const requestId = `state-${change}-again`
    expect(await run(id, { 'x-request-id': requestId })).toMatchObject({
      __typename: 'ConflictError',
      code: 'CONFLICT',
    })
    expect(await findAuditRecords(app, requestId)).toEqual([])
    expect(await findOutboxRecords(app, requestId)).toEqual([])
  })

  test('is so once when several ask at the same time', async () => {
    const { apiKeyId: id } = await tenant.key()
    await prepare(id)
    const answers = await Promise.all(Array.from({ length: 5 }, () => run(id, {})))
    expect(answers.filter((answer) => answer?.__typename !== 'ConflictError')).toHaveLength(1)
  })

  test('has a version that is greater by one', async () => {
    const { apiKeyId: id } = await tenant.key()
    await prepare(id)
    const version = async () =>
      (await app.query<{ version: number }>('SELECT version FROM api_keys WHERE id = $1', [uuidOf(id)]))[0]?.version
    const earlier = (await version()) ?? 0
    await run(id, {})
    expect(await version()).toBe(earlier + 1)
  })
})

test('a revocation is final', async () => {
  const { apiKeyId: id } = await tenant.key()
  const revoked = await revoke(id, 'leaked')
  expect(revoked).toMatchObject({
    apiKey: {
      status: 'REVOKED',
      revokedReason: 'leaked',
      revokedAt: new Date(app.clock.now()).toISOString(),
      version: 2,
    },
  })
  expect(await revoke(id, 'other')).toEqual(conflict('The key is revoked already.'))
  expect(await disable(id)).toEqual(conflict('The key is revoked, which is final.'))
  expect(await enable(id)).toEqual(conflict('The key is revoked, which is final.'))
  expect(await statusOf(id)).toBe('REVOKED')
})

test('a key that is not disabled cannot be enabled', async () => {
  const { apiKeyId: id } = await tenant.key()
  expect(await enable(id)).toEqual(conflict('The key is not disabled.'))
})

test('a disabled key can be revoked', async () => {
  const { apiKeyId: id } = await tenant.key()
  await disable(id)
  expect(await revoke(id)).toMatchObject({ apiKey: { status: 'REVOKED' } })
})

test('enabling revives no expired key', async () => {
  const { apiKeyId: id } = await tenant.key({ expiresAt: new Date(app.clock.now() + 1000).toISOString() })
  await disable(id)
  app.clock.advance(1000)
  expect(await enable(id)).toMatchObject({ apiKey: { status: 'EXPIRED' } })
})

test.each([
  ['empty', ''],
  ['with a line break', 'a\nb'],
  ['with NUL', 'a\u0000'],
  ['of 501 characters', 'x'.repeat(501)],
])('a reason that is %s is refused', async (_, reason) => {
  const { apiKeyId: id } = await tenant.key()
  expect(await revoke(id, reason)).toMatchObject({ __typename: 'ValidationError', path: ['input', 'reason'] })
  expect(await statusOf(id)).toBe('ACTIVE')
})
