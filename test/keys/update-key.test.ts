import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ApiKeyUpdateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyRevoke, ApiKeyUpdate, TenantConfigSet } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, seedUser, type TenantSeed, uniqueName } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

const DAY_MS = 24 * 60 * 60 * 1000

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  for (const name of ['orders:read', 'orders:write']) await tenant.scope(name)
})
afterAll(() => app.stop())

const send = (id: string, input: ApiKeyUpdateInput, token = admin.accessToken) =>
  sendGraphQL(app, ApiKeyUpdate, { id, input }, token)

async function update(id: string, input: ApiKeyUpdateInput) {
  const answer = await send(id, input)
  const updated = answer.data?.apiKeyUpdate
  if (updated?.__typename !== 'ApiKeyUpdatePayload') throw new Error(JSON.stringify(answer))
  return updated.apiKey
}

const verify = async (token: string) => (await sendVerify(app, { key: token })).body
const inDays = (days: number) => new Date(app.clock.now() + days * DAY_MS).toISOString()

it('a change counts on the next verification, and what it does not name stays', async () => {
  const { apiKeyId, token } = await tenant.key({ description: 'kept', scopes: ['orders:read'], ownerId: 'client-1' })
  expect(await verify(token)).toMatchObject({ scopes: ['orders:read'], ownerId: 'client-1', metadata: {} })
  const name = uniqueName()
  const changes = { name, scopes: ['orders:*', 'orders:*'], metadata: { plan: 'gold' }, expiresAt: inDays(3) }
  expect(await update(apiKeyId, changes)).toEqual({
    id: apiKeyId,
    version: 2,
    status: 'ACTIVE',
    description: 'kept',
    ownerId: 'client-1',
    ...changes,
    scopes: ['orders:*'],
  })
  expect(await verify(token)).toMatchObject({ name, scopes: ['orders:*'], metadata: { plan: 'gold' } })
  await update(apiKeyId, { expiresAt: inDays(1 / DAY_MS) })
  app.clock.advance(1)
  expect(await verify(token)).toMatchObject({ code: 'EXPIRED' })
})

it('null takes away what a key can do without', async () => {
  const all = { description: 'x', scopes: ['orders:read'], ownerId: 'y', expiresAt: inDays(1), metadata: { z: 1 } }
  const { apiKeyId } = await tenant.key(all)
  const none = { description: null, scopes: null, ownerId: null, expiresAt: null, metadata: null }
  expect(await update(apiKeyId, none)).toMatchObject({
    description: null,
    scopes: [],
    ownerId: null,
    expiresAt: null,
    metadata: {},
  })
  expect((await send(apiKeyId, { name: null })).data?.apiKeyUpdate).toMatchObject({
    code: 'VALIDATION_FAILED',
    path: ['input', 'name'],
  })
})

it('a later expiry brings an expired key back', async () => {
  const { apiKeyId, token } = await tenant.key({ expiresAt: inDays(1 / DAY_MS) })
  app.clock.advance(1)
  expect(await verify(token)).toMatchObject({ code: 'EXPIRED' })
  expect((await update(apiKeyId, { expiresAt: inDays(1) })).status).toBe('ACTIVE')
  expect(await verify(token)).toMatchObject({ code: 'VALID' })
})

it('a change is recorded with what changed, and told by the names of the fields', async () => {
  const { apiKeyId } = await tenant.key({ name: 'before', scopes: ['orders:read'] })
  const { audit, events } = await recordsOf(app, tenant.tenantId, () =>
    update(apiKeyId, { name: 'after', ownerId: 'somebody', scopes: ['orders:read'] }),
  )
  expect(audit).toEqual([
    {
      action: 'api_key.updated',
      outcome: 'SUCCESS',
      actorKind: 'USER',
      resourceId: apiKeyId,
      detail: { before: { name: 'before', ownerId: null }, after: { name: 'after', ownerId: 'somebody' } },
    },
  ])
  const payload = { apiKeyId, name: 'after', environment: 'PRODUCTION', fields: ['name', 'ownerId'] }
  expect(events).toEqual([{ type: 'api_key.updated', payload }])
})

it('a change that is repeated is recorded, changes no version and tells nobody', async () => {
  const { apiKeyId } = await tenant.key()
  const input = { ownerId: 'x', metadata: { b: 1, a: [1, { c: null }] }, expiresAt: inDays(1), scopes: ['orders:read'] }
  await update(apiKeyId, input)
  const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
    expect((await update(apiKeyId, input)).version).toBe(2)
  })
  expect(audit).toMatchObject([{ action: 'api_key.updated', detail: { before: {}, after: {} } }])
  expect(events).toEqual([])
})

it.each([
  [{ name: '' }, ['input', 'name']],
  [{ name: ' blank' }, ['input', 'name']],
  [{ description: 'a'.repeat(1001) }, ['input', 'description']],
  [{ ownerId: 'a\u0000' }, ['input', 'ownerId']],
  [{ metadata: [] }, ['input', 'metadata']],
  [{ metadata: { a: 'x'.repeat(5000) } }, ['input', 'metadata']],
  [{ scopes: ['orders:read', 'no scope'] }, ['input', 'scopes', '1']],
  [{ scopes: ['orders:read', 'orders:delete'] }, ['input', 'scopes', '1']],
  [{ expiresAt: '2026-01-01T00:00:00.000Z' }, ['input', 'expiresAt']],
] satisfies [ApiKeyUpdateInput, string[]][])('%j is refused, naming the field', async (input, path) => {
  const { apiKeyId } = await tenant.key({ scopes: ['orders:read'] })
  const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
    expect((await send(apiKeyId, input)).data?.apiKeyUpdate).toMatchObject({ code: 'VALIDATION_FAILED', path })
  })
  expect([audit, events]).toEqual([[], []])
})

it('a key cannot be made to live longer than its tenant allows, counted from its creation', async () => {
  const own = await admin.tenant()
  const { apiKeyId } = await own.key()
  const input = { keyTtlDaysMax: 10 }
  await sendGraphQL(app, TenantConfigSet, { tenantId: own.tenantId, input }, admin.accessToken)
  const tooLong = { code: 'VALIDATION_FAILED', path: ['input', 'expiresAt'] }
  expect((await send(apiKeyId, { expiresAt: inDays(10.001) })).data?.apiKeyUpdate).toMatchObject(tooLong)
  await update(apiKeyId, { expiresAt: inDays(10) })
  expect((await send(apiKeyId, { expiresAt: null })).data?.apiKeyUpdate).toMatchObject(tooLong)
  // What stays as it is was settled before the rule.
  const older = await tenant.key()
  await sendGraphQL(app, TenantConfigSet, { tenantId: tenant.tenantId, input }, admin.accessToken)
  expect((await update(older.apiKeyId, { ownerId: 'x' })).expiresAt).toBeNull()
  await sendGraphQL(
    app,
    TenantConfigSet,
    { tenantId: tenant.tenantId, input: { keyTtlDaysMax: null } },
    admin.accessToken,
  )
})

it('a name that another live key of the environment has is refused', async () => {
  const [first, second] = [await tenant.key({ name: 'taken' }), await tenant.key()]
  expect((await send(second.apiKeyId, { name: 'taken' })).data?.apiKeyUpdate).toMatchObject({
    code: 'CONFLICT',
    path: ['input', 'name'],
  })
  await sendGraphQL(app, ApiKeyRevoke, { id: first.apiKeyId, input: { reason: 'test' } }, admin.accessToken)
  expect((await update(second.apiKeyId, { name: 'taken' })).name).toBe('taken')
})

it('a change for another version than the present one is refused, and so is one of a revoked key', async () => {
  const { apiKeyId } = await tenant.key()
  expect((await update(apiKeyId, { ownerId: 'a', expectedVersion: 1 })).version).toBe(2)
  expect((await send(apiKeyId, { ownerId: 'b', expectedVersion: 1 })).data?.apiKeyUpdate).toMatchObject({
    code: 'CONFLICT',
    path: ['input', 'expectedVersion'],
  })
  await sendGraphQL(app, ApiKeyRevoke, { id: apiKeyId, input: { reason: 'test' } }, admin.accessToken)
  expect(readCode(await send(apiKeyId, { ownerId: 'b' }))).toBe('CONFLICT')
})

it('nobody adds a permission that they do not hold, and what a key holds already is not theirs to answer for', async () => {
  const developer = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
  const held = await tenant.key({ scopes: ['keyward:verify'] })
  const plain = await tenant.key()
  const scopes = ['keyward:verify']
  expect(readCode(await send(plain.apiKeyId, { scopes }, developer.accessToken))).toBe('FORBIDDEN')
  const { accessToken } = developer
  expect(readCode(await send(held.apiKeyId, { scopes: [...scopes, 'orders:read'] }, accessToken))).toBe(
    'ApiKeyUpdatePayload',
  )
})
