import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { disableKey } from '../../src/keys/disable-key.ts'
import { revokeKey } from '../../src/keys/revoke-key.ts'
import { graphql } from '../generated/graphql/gql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { createTestCommands } from '../harness/commands.ts'
import { ApiKeyById, ApiKeyDisable, ApiKeyEnable, ApiKeyRevoke } from '../harness/operations.ts'
import { findAuditRecords, findLeaks, findOutboxRecords } from '../harness/records.ts'
import { type AdminSeed, seedAdmin, seedUser, type TenantSeed, type UserSeed, uuidOf } from '../harness/seed.ts'

let app: TestApp
let tenant: TenantSeed
let user: UserSeed
let admin: AdminSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
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
        detail: { before: { status: before }, after: { status: after, disabledReason: null, revokedReason: reason } },
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
        payload: change === 'enabled' ? data : { ...data, reason },
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

const WhoDidWhat = graphql(`
  query WhoDidWhat($id: ID!) {
    apiKey(id: $id) {
      disabledReason disabledAt
      createdBy { __typename ... on User { id } ... on ApiKey { id } }
      disabledBy { __typename ... on User { id } ... on ApiKey { id } }
      revokedBy { __typename ... on User { id } ... on ApiKey { id } }
    }
  }
`)

const DisableWithReason = graphql(`
  mutation DisableWithReason($id: ID!, $input: ApiKeyDisableInput) {
    apiKeyDisable(id: $id, input: $input) { ... on UserError { code path } }
  }
`)

const whoDidWhat = async (id: string) => (await sendGraphQL(app, WhoDidWhat, { id }, user.accessToken)).data?.apiKey

describe('who did it', () => {
  test('is shown while a key is disabled, with when and why, and no longer once it is enabled', async () => {
    const { apiKeyId: id } = await tenant.key()
    await sendGraphQL(app, DisableWithReason, { id, input: { reason: 'on holiday' } }, user.accessToken)
    const disabledAt = new Date(app.clock.now()).toISOString()
    const person = { __typename: 'User', id: user.userId }
    expect(await whoDidWhat(id)).toMatchObject({ disabledReason: 'on holiday', disabledAt, disabledBy: person })
    await enable(id)
    expect(await whoDidWhat(id)).toMatchObject({ disabledReason: null, disabledAt: null, disabledBy: null })
  })

  test('is shown for good on a key that was revoked', async () => {
    const { apiKeyId: id } = await tenant.key()
    await revoke(id)
    expect(await whoDidWhat(id)).toMatchObject({ revokedBy: { __typename: 'User', id: user.userId }, disabledBy: null })
  })

  test('can be a machine with a management key, which is shown as that key', async () => {
    const machine = await tenant.key()
    const { apiKeyId: id } = await tenant.key()
    const actor = {
      kind: 'apiKey',
      apiKeyId: uuidOf(machine.apiKeyId),
      tenantId: uuidOf(tenant.tenantId),
      isPlatform: false,
      permissions: new Set(['keys:disable', 'keys:revoke'] as const),
    } as const
    const caller = { actor, origin: { ip: null, userAgent: null, correlationId: 'machine' } }
    const { commands, stop } = await createTestCommands(app)
    await commands.run(disableKey, caller, { id })
    await commands.run(revokeKey, caller, { id, reason: 'over' })
    await stop()
    const shown = { __typename: 'ApiKey', id: machine.apiKeyId }
    expect(await whoDidWhat(id)).toMatchObject({ disabledBy: shown, revokedBy: shown, disabledReason: null })
  })

  test('is not told to a tenant to which that person is unknown', async () => {
    const { apiKeyId: id } = await tenant.key()
    await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'over' } }, admin.accessToken)
    expect(await whoDidWhat(id)).toMatchObject({ revokedBy: null, createdBy: null })
  })

  test.each(['', 'a\nb', 'x'.repeat(501)])('cannot give %j as the reason of disabling', async (reason) => {
    const { apiKeyId: id } = await tenant.key()
    const { data } = await sendGraphQL(app, DisableWithReason, { id, input: { reason } }, user.accessToken)
    expect(data?.apiKeyDisable).toEqual({ code: 'VALIDATION_FAILED', path: ['input', 'reason'] })
    expect(await statusOf(id)).toBe('ACTIVE')
  })
})

test.each([
  ['disable', 'apiKeyDisable(id: $id, input: { expectedVersion: $version })'],
  ['enable', 'apiKeyEnable(id: $id, input: { expectedVersion: $version })'],
  ['rotate', 'apiKeyRotate(id: $id, input: { expectedVersion: $version })'],
  ['revoke', 'apiKeyRevoke(id: $id, input: { reason: "x", expectedVersion: $version })'],
  ['delete', 'apiKeyDelete(id: $id, confirmName: "to go", expectedVersion: $version)'],
])('who decides to %s a key that has changed since is told so, and it stays as it is', async (action, field) => {
  const { apiKeyId: id } = await tenant.key({ ...(action === 'delete' && { name: 'to go' }) })
  await disable(id)
  if (action !== 'enable') await enable(id)
  const status = await statusOf(id)
  const document = `mutation ($id: ID!, $version: Int!) { done: ${field} { __typename ... on ConflictError { path } } }`
  const attempt = async (version: number) => {
    const { data } = await sendGraphQL<{ done: unknown }, object>(app, document, { id, version }, admin.accessToken)
    return data?.done
  }
  const path = [...(action === 'delete' ? [] : ['input']), 'expectedVersion']
  expect(await attempt(1)).toEqual({ __typename: 'ConflictError', path })
  expect(await statusOf(id)).toBe(status)
  expect(await attempt(action === 'enable' ? 2 : 3)).toMatchObject({ __typename: expect.stringMatching(/Payload$/) })
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
