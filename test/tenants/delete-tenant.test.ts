import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyCreate, TenantConfigSet, TenantCreate, TenantDelete, Viewer } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import { type AdminSeed, findPlatformTenantId, seedAdmin, seedUser, uniqueName, uuidOf } from '../harness/seed.ts'
import { openOwnerPool } from '../harness/store-database.ts'
import { readCode } from '../harness/tenant-records.ts'

let app: TestApp
let admin: AdminSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())

const remove = (id: string, confirmSlug: string, token = admin.accessToken, requestId = 'x') =>
  sendGraphQL(app, TenantDelete, { id, confirmSlug }, token, { 'x-request-id': requestId })
const codeOf = async (token: string) => (await sendVerify(app, { key: token })).body.code

test('every token of the tenant is nobody’s on the next verification, and none of another tenant', async () => {
  const [gone, other] = [await admin.tenant(), await admin.tenant()]
  const tokens = [(await gone.key()).token, (await gone.key()).token]
  const { token: foreign } = await other.key()
  for (const token of [...tokens, foreign]) expect(await codeOf(token)).toBe('VALID')
  expect((await remove(gone.tenantId, gone.slug)).data?.tenantDelete).toEqual({
    __typename: 'TenantDeletePayload',
    deletedId: gone.tenantId,
  })
  for (const token of tokens) expect(await codeOf(token)).toBe('NOT_FOUND')
  expect(await codeOf(foreign)).toBe('VALID')
  expect(readCode(await remove(gone.tenantId, gone.slug))).toBe('NOT_FOUND')
})

test('everything of the tenant goes but the log, and its people stay', async () => {
  const tenant = await admin.tenant()
  const { tenantId: id, slug } = tenant
  const owner = await seedUser(app, { tenantId: id, role: 'OWNER' })
  await tenant.scope('orders:read')
  const input = { perDay: 10, aggregate: { perMonth: 10 } }
  await sendGraphQL(app, TenantConfigSet, { tenantId: id, input }, admin.accessToken)
  const { token } = await tenant.key({
    scopes: ['orders:read'],
    credits: { amount: 5 },
    withSigningSecret: true,
    idempotencyKey: 'once',
    privateMetadata: { a: 1 },
  })
  await sendVerify(app, { key: token, tags: { route: 'orders' } })
  await app.flushUsage()
  const uuid = uuidOf(id)
  expect(await app.query('SELECT FROM usage_tag_minutes WHERE tenant_id = $1', [uuid])).toHaveLength(1)
  const keyIds = (await app.query<{ id: string }>('SELECT id FROM api_keys WHERE tenant_id = $1', [uuid])).map(
    ({ id: keyId }) => keyId,
  )

  expect(readCode(await remove(id, slug, owner.accessToken))).toBe('TenantDeletePayload')
  const tables = await app.query<{ name: string; ofTenant: boolean }>(
    `SELECT table_name AS name,
            EXISTS (SELECT FROM information_schema.columns c WHERE c.table_name = t.table_name AND column_name = 'tenant_id') AS "ofTenant"
       FROM information_schema.tables t WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
  )
  expect(tables.length).toBeGreaterThan(10)
  for (const { name } of tables) {
    if (['audit_events', 'outbox_events'].includes(name)) continue
    const left = await app.query(`SELECT * FROM "${name}" row WHERE row::text LIKE ANY($1)`, [
      [uuid, ...keyIds].map((one) => `%${one}%`),
    ])
    expect({ name, left }).toEqual({ name, left: [] })
  }
  const log = await app.query<{ action: string }>(
    'SELECT action FROM audit_events WHERE tenant_id = $1 ORDER BY position',
    [uuid],
  )
  expect(log.map(({ action }) => action)).toEqual([
    'tenant.created',
    'session.created',
    'scope.created',
    'config.updated',
    'api_key.created',
    'tenant.deleted',
  ])
  expect((await sendGraphQL(app, Viewer, {}, owner.accessToken)).data?.viewer).toMatchObject({
    __typename: 'User',
    memberships: [],
  })
})

test('is recorded in the log of the tenant and of the platform, and told once', async () => {
  const { tenantId: id, slug, key } = await admin.tenant()
  await key()
  await remove(id, slug, admin.accessToken, 'delete-1')
  const detail = { before: { name: slug, slug, keyPrefix: expect.any(String), keys: 1 } }
  const common = { action: 'tenant.deleted', outcome: 'SUCCESS', resource_type: 'Tenant', resource_id: id, detail }
  expect(await findAuditRecords(app, 'delete-1')).toMatchObject([
    { ...common, tenant_id: uuidOf(id) },
    { ...common, tenant_id: uuidOf(await findPlatformTenantId(app)) },
  ])
  expect(await findOutboxRecords(app, 'delete-1')).toMatchObject([
    { type: 'tenant.deleted', payload: { tenantId: id, slug } },
  ])
})

test.each(['', 'another'])(
  'is refused when the slug to confirm is %j, and then nothing happens',
  async (confirmSlug) => {
    const { tenantId: id, key } = await admin.tenant()
    const { token } = await key()
    expect((await remove(id, confirmSlug)).data?.tenantDelete).toEqual({
      __typename: 'ValidationError',
      code: 'VALIDATION_FAILED',
      message: 'confirmSlug: must be the slug of the tenant',
      path: ['confirmSlug'],
    })
    expect(await codeOf(token)).toBe('VALID')
  },
)

test('spares the tenant that the installation is run from', async () => {
  expect(readCode(await remove(await findPlatformTenantId(app), 'platform'))).toBe('CONFLICT')
})

test('a slug is free again, and what comes under it is another tenant', async () => {
  const { tenantId: id, slug } = await admin.tenant()
  await remove(id, slug)
  const input = { name: slug, slug, keyPrefix: 'abc' }
  const { data } = await sendGraphQL(app, TenantCreate, { input }, admin.accessToken)
  if (data?.tenantCreate.__typename !== 'TenantCreatePayload') throw new Error(JSON.stringify(data))
  expect(data.tenantCreate.tenant.id).not.toBe(id)
})

test('keys that are created while the tenant goes are created before or not at all', async () => {
  for (let round = 0; round < 10; round++) {
    const { tenantId, slug } = await admin.tenant()
    const create = async () => {
      const input = { tenantId, name: uniqueName(), environment: 'TEST' } as const
      return readCode(await sendGraphQL(app, ApiKeyCreate, { input }, admin.accessToken))
    }
    const work = [create(), create(), remove(tenantId, slug).then(readCode), create(), create()]
    const codes = await Promise.all(work)
    expect(codes[2]).toBe('TenantDeletePayload')
    for (const code of codes.toSpliced(2, 1)) expect(['ApiKeyCreatePayload', 'NOT_FOUND']).toContain(code)
    expect(await app.query('SELECT FROM api_keys WHERE tenant_id = $1', [uuidOf(tenantId)])).toEqual([])
  }
})

test('while old counts of the tenant are being deleted, those of its keys are written as ever', async () => {
  const tenant = await admin.tenant()
  const { token, apiKeyId } = await tenant.key()
  await sendVerify(app, { key: token, tags: { route: 'orders' } })
  await app.flushUsage()
  const ofTenant = [uuidOf(tenant.tenantId)]
  await app.query("UPDATE usage_tag_minutes SET minute = minute - interval '2 hours' WHERE tenant_id = $1", ofTenant)

  const owner = openOwnerPool(app.database)
  const holder = await owner.connect()
  try {
    await holder.query('BEGIN')
    await holder.query('SELECT FROM usage_tag_minutes WHERE tenant_id = $1 FOR UPDATE', ofTenant)
    const removing = remove(tenant.tenantId, tenant.slug)
    await expect
      .poll(() => app.query("SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"))
      .toHaveLength(1)
    await sendVerify(app, { key: token, tags: { route: 'orders' } })
    await app.flushUsage()
    const counted = 'SELECT request_count::int AS count FROM api_key_usage WHERE api_key_id = $1'
    expect(await app.query(counted, [uuidOf(apiKeyId)])).toEqual([{ count: 2 }])
    await holder.query('ROLLBACK')
    expect(readCode(await removing)).toBe('TenantDeletePayload')
  } finally {
    holder.release()
    await owner.end()
  }
  expect(await app.query('SELECT FROM usage_tag_minutes WHERE tenant_id = $1', ofTenant)).toEqual([])
})
