import { afterAll, beforeAll, expect, test } from 'vitest'
import { graphql } from '../generated/graphql/gql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyUpdate } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, seedUser, type TenantSeed, uuidOf } from '../harness/seed.ts'
import { recordsOf } from '../harness/tenant-records.ts'

const PrivateMetadata = graphql(`
  query PrivateMetadata($id: ID!) { apiKey(id: $id) { id privateMetadata } }
`)

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

const read = (id: string, token = admin.accessToken) => sendGraphQL(app, PrivateMetadata, { id }, token)
const update = (id: string, privateMetadata: unknown) =>
  sendGraphQL(app, ApiKeyUpdate, { id, input: { privateMetadata } }, admin.accessToken)

test('what a key is created with is read back, and is replaced and taken away by an update', async () => {
  const { apiKeyId } = await tenant.key({ privateMetadata: { contract: 'K-17', nested: [1, null, 'é😀'] } })
  expect((await read(apiKeyId)).data?.apiKey?.privateMetadata).toEqual({
    contract: 'K-17',
    nested: [1, null, 'é😀'],
  })
  await update(apiKeyId, { contract: 'K-18' })
  expect((await read(apiKeyId)).data?.apiKey?.privateMetadata).toEqual({ contract: 'K-18' })
  await sendGraphQL(app, ApiKeyUpdate, { id: apiKeyId, input: { ownerId: 'x' } }, admin.accessToken)
  expect((await read(apiKeyId)).data?.apiKey?.privateMetadata).toEqual({ contract: 'K-18' })
  await update(apiKeyId, null)
  expect((await read(apiKeyId)).data?.apiKey?.privateMetadata).toEqual({})
  const { apiKeyId: without } = await tenant.key()
  expect((await read(without)).data?.apiKey?.privateMetadata).toEqual({})
})

test('exactly 4 KiB are taken', async () => {
  const padding = 4096 - JSON.stringify({ a: '' }).length
  await tenant.key({ privateMetadata: { a: 'x'.repeat(padding) } })
})

test('no verdict holds it, in whatever form it is asked for', async () => {
  const { token } = await tenant.key({ privateMetadata: { contract: 'blue-tulip' }, metadata: { plan: 'gold' } })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${app.firstStart.verifierToken}` }
  const single = await send(app, '/verify', { method: 'POST', headers, body: JSON.stringify({ key: token }) })
  expect(single.text).toContain('gold')
  expect(single.text).not.toContain('blue-tulip')
  const batch = JSON.stringify({ verifications: [{ key: token }] })
  const many = await send(app, '/verify/batch', { method: 'POST', headers, body: batch })
  expect(many.text).toContain('gold')
  expect(many.text).not.toContain('blue-tulip')
})

test('nobody reads it in the database, the log, the audit events or the outbox', async () => {
  const secret = 'purple-crocus'
  const { apiKeyId } = await tenant.key({ privateMetadata: { contract: secret } })
  await update(apiKeyId, { contract: `${secret}-2` })
  const tables = await app.query<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
  )
  const forms = [secret, Buffer.from(secret).toString('hex')]
  for (const { name } of tables) {
    for (const form of forms) {
      const found = await app.query(`SELECT 1 FROM "${name}" row WHERE row::text LIKE '%' || $1 || '%'`, [form])
      expect({ name, found }).toEqual({ name, found: [] })
    }
  }
  expect(app.logLines.filter((line) => line.includes(secret))).toEqual([])
})

test('a change is recorded as one, without what it was', async () => {
  const { apiKeyId } = await tenant.key({ privateMetadata: { a: 1 } })
  const { audit, events } = await recordsOf(app, tenant.tenantId, () => update(apiKeyId, { a: 2 }))
  expect(audit).toMatchObject([
    {
      action: 'api_key.updated',
      detail: { before: { privateMetadata: '(sealed)' }, after: { privateMetadata: '(sealed)' } },
    },
  ])
  expect(events).toMatchObject([{ payload: { fields: ['privateMetadata'] } }])
  const again = await recordsOf(app, tenant.tenantId, () => update(apiKeyId, { a: 2 }))
  expect(again.events).toEqual([])
})

test('reading it needs its own permission; the rest of the key is shown without', async () => {
  const { apiKeyId } = await tenant.key({ privateMetadata: { a: 1 } })
  const developer = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
  const viewer = await seedUser(app, { tenantId: tenant.tenantId, role: 'VIEWER' })
  expect((await read(apiKeyId, developer.accessToken)).data?.apiKey?.privateMetadata).toEqual({ a: 1 })
  const answer = await read(apiKeyId, viewer.accessToken)
  expect(answer.data?.apiKey).toEqual({ id: apiKeyId, privateMetadata: null })
  expect(answer.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' }, path: ['apiKey', 'privateMetadata'] }])
})

test('that of one key cannot be passed off as that of another', async () => {
  const [one, other] = [await tenant.key({ privateMetadata: { a: 1 } }), await tenant.key()]
  await app.query(
    'UPDATE api_keys SET sealed_private_metadata = (SELECT sealed_private_metadata FROM api_keys WHERE id = $1) WHERE id = $2',
    [uuidOf(one.apiKeyId), uuidOf(other.apiKeyId)],
  )
  expect((await read(other.apiKeyId)).errors).toMatchObject([{ extensions: { code: 'INTERNAL' } }])
  expect((await sendVerify(app, { key: other.token })).body.valid).toBe(true)
})
