import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { OpenApiOperations, OpenApiOperationsDelete, ScopesFromOpenApi } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'
import { openApi } from './documents.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
beforeEach(async () => {
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

async function importApi(namespace: string, operation: string): Promise<void> {
  const input = { tenantId: tenant.tenantId, namespace, document: openApi({ [operation]: {} }), import: true }
  const answer = await sendGraphQL(app, ScopesFromOpenApi, { input }, admin.accessToken)
  expect(readCode(answer)).toBe('ScopesFromOpenApiPayload')
}

async function remove(namespace: string) {
  const variables = { tenantId: tenant.tenantId, namespace }
  return (await sendGraphQL(app, OpenApiOperationsDelete, variables, admin.accessToken)).data?.openApiOperationsDelete
}

async function verify(key: string, path: string) {
  return (await sendVerify(app, { key, requireOperationScope: true, method: 'GET', path })).body.code
}

test('deleted operations allow nothing on the very next verification, and those of other namespaces stay', async () => {
  await importApi('shop', 'GET /pets')
  await importApi('bank', 'GET /accounts')
  const { token } = await tenant.key({ scopes: ['shop:pets:read', 'bank:accounts:read'] })
  expect([await verify(token, '/pets'), await verify(token, '/accounts')]).toEqual(['VALID', 'VALID'])

  expect(await remove('shop')).toMatchObject({ deletedCount: 1, tenant: { id: tenant.tenantId } })
  expect([await verify(token, '/pets'), await verify(token, '/accounts')]).toEqual(['INSUFFICIENT_SCOPE', 'VALID'])
  expect(await remove('bank')).toMatchObject({ deletedCount: 1 })
  expect(await verify(token, '/accounts')).toBe('INSUFFICIENT_SCOPE')
  const { data } = await sendGraphQL(app, OpenApiOperations, { tenantId: tenant.tenantId }, admin.accessToken)
  expect(data?.openApiOperations.totalCount).toBe(0)

  await importApi('shop', 'GET /pets')
  expect(await verify(token, '/pets')).toBe('VALID')
})

test('a deletion is recorded and told, and one of a namespace that has none says so', async () => {
  const { tenantId } = tenant
  await importApi('shop', 'GET /pets')
  const { audit, events } = await recordsOf(app, tenantId, () => remove('shop'))
  const data = { namespace: 'shop', deletedCount: 1 }
  expect(audit).toMatchObject([{ action: 'openapi.operations_deleted', outcome: 'SUCCESS', detail: data }])
  expect(events).toEqual([{ type: 'openapi.operations_deleted', payload: { tenantId, ...data } }])
  for (const namespace of ['shop', '', '\u0000', 'x'.repeat(1000)]) {
    expect(await remove(namespace)).toMatchObject({ code: 'VALIDATION_FAILED', path: ['namespace'] })
  }
})
