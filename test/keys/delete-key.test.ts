import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyById, ApiKeyDelete, ApiKeyDisable, ApiKeyRevoke, ApiKeyRotate } from '../harness/operations.ts'
import { findAuditRecords } from '../harness/records.ts'
import { type AdminSeed, seedAdmin, type TenantSeed, uniqueName, uuidOf } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  await tenant.scope('orders:read')
})
afterAll(() => app.stop())

const remove = (id: string, confirmName: string, headers?: Record<string, string>) =>
  sendGraphQL(app, ApiKeyDelete, { id, confirmName }, admin.accessToken, headers)
const codeOf = async (token: string) => (await sendVerify(app, { key: token })).body.code

async function seedKey() {
  const name = uniqueName()
  return { name, ...(await tenant.key({ name, scopes: ['orders:read'], ownerId: 'client-1' })) }
}

test('every token of a deleted key is nobody’s on the next verification', async () => {
  const { apiKeyId: id, name, token } = await seedKey()
  const input = { gracePeriodSeconds: 3600 }
  const rotated = await sendGraphQL(app, ApiKeyRotate, { id, input }, admin.accessToken)
  const second = rotated.data?.apiKeyRotate
  if (second?.__typename !== 'ApiKeyRotatePayload') throw new Error('not rotated')
  const tokens = [token, second.token ?? '']
  for (const one of tokens) expect(await codeOf(one)).toBe('VALID')
  expect((await remove(id, name)).data?.apiKeyDelete).toEqual({ __typename: 'ApiKeyDeletePayload', deletedId: id })
  for (const one of tokens) expect(await codeOf(one)).toBe('NOT_FOUND')
  expect((await sendGraphQL(app, ApiKeyById, { id }, admin.accessToken)).data?.apiKey).toBeNull()
})

test('is recorded and told, and what was recorded and counted before stays', async () => {
  const { apiKeyId: id, name, token } = await seedKey()
  await sendVerify(app, { key: token })
  await app.flushUsage()
  const { audit, events } = await recordsOf(app, tenant.tenantId, () => remove(id, name))
  expect(audit).toEqual([
    {
      action: 'api_key.deleted',
      outcome: 'SUCCESS',
      actorKind: 'USER',
      resourceId: id,
      detail: {
        before: { name, environment: 'PRODUCTION', status: 'ACTIVE', scopes: ['orders:read'], ownerId: 'client-1' },
      },
    },
  ])
  expect(events).toEqual([{ type: 'api_key.deleted', payload: { apiKeyId: id, name, environment: 'PRODUCTION' } }])
  const log = await app.query('SELECT FROM audit_events WHERE resource_id = $1', [id])
  expect(log).toHaveLength(2)
  const counts = await app.query('SELECT count FROM usage_minutes WHERE api_key_id = $1', [uuidOf(id)])
  expect(counts).toEqual([{ count: '1' }])
})

test('what is still being counted for it when it goes disturbs nobody', async () => {
  const [gone, other] = [await seedKey(), await seedKey()]
  for (const { token } of [gone, other]) expect(await codeOf(token)).toBe('VALID')
  await remove(gone.apiKeyId, gone.name)
  await app.flushUsage()
  const counts = await app.query('SELECT request_count FROM api_key_usage WHERE api_key_id = $1', [
    uuidOf(other.apiKeyId),
  ])
  expect(counts).toEqual([{ request_count: '1' }])
})

test.each(['', 'another', ' '])('is refused when the name to confirm is %j, and then nothing happens', async (name) => {
  const { apiKeyId: id, token } = await seedKey()
  expect((await remove(id, name, { 'x-request-id': `delete-${name}` })).data?.apiKeyDelete).toEqual({
    __typename: 'ValidationError',
    code: 'VALIDATION_FAILED',
    message: 'confirmName: must be the name of the key',
    path: ['confirmName'],
  })
  expect(await findAuditRecords(app, `delete-${name}`)).toEqual([])
  expect(await codeOf(token)).toBe('VALID')
})

test('the name is confirmed in whichever spelling it is typed', async () => {
  const { apiKeyId: id } = await tenant.key({ name: 'Géne' })
  expect(readCode(await remove(id, 'Ge\u0301ne'))).toBe('ApiKeyDeletePayload')
})

test('disabled and revoked keys can be deleted, and a key only once', async () => {
  const [disabled, revoked] = [await seedKey(), await seedKey()]
  await sendGraphQL(app, ApiKeyDisable, { id: disabled.apiKeyId }, admin.accessToken)
  const reason = { reason: 'leaked' }
  await sendGraphQL(app, ApiKeyRevoke, { id: revoked.apiKeyId, input: reason }, admin.accessToken)
  for (const { apiKeyId, name } of [disabled, revoked]) {
    expect(readCode(await remove(apiKeyId, name))).toBe('ApiKeyDeletePayload')
    expect(readCode(await remove(apiKeyId, name))).toBe('NOT_FOUND')
  }
})

test('the name is free again', async () => {
  const { apiKeyId, name } = await seedKey()
  await remove(apiKeyId, name)
  await tenant.key({ name })
})

test('keys that a deleted key created stay', async () => {
  const [creator, created] = [await seedKey(), await seedKey()]
  await app.query('UPDATE api_keys SET created_by_key_id = $1, created_by_user_id = NULL WHERE id = $2', [
    uuidOf(creator.apiKeyId),
    uuidOf(created.apiKeyId),
  ])
  await remove(creator.apiKeyId, creator.name)
  expect(await codeOf(created.token)).toBe('VALID')
})
