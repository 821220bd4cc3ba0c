import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendVerify } from '../harness/client.ts'
import { type AdminSeed, seedAdmin, seedUser, type TenantSeed, uniqueName } from '../harness/seed.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

/** The body as a client gets it. */
async function ask(accessToken: string, query: string, variables: Record<string, unknown>) {
  const { text } = await send(app, '/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${accessToken}` },
    body: JSON.stringify({ query, variables }),
  })
  return JSON.parse(text)
}

test('the token of a key is not lost because a mutation after it fails', async () => {
  const { tenantId } = tenant
  const owner = await seedUser(app, { tenantId, role: 'OWNER' })
  const { data, errors } = await ask(
    owner.accessToken,
    `mutation ($input: ApiKeyCreateInput!, $tenantId: ID!) {
      made: apiKeyCreate(input: $input) { ... on ApiKeyCreatePayload { token } }
      refused: tenantSuspend(id: $tenantId) { __typename }
    }`,
    { tenantId, input: { tenantId, name: uniqueName(), environment: 'PRODUCTION' } },
  )
  expect(data).toEqual({ made: { token: expect.any(String) }, refused: null })
  expect(errors).toMatchObject([{ path: ['refused'], extensions: { code: 'FORBIDDEN' } }])
  expect((await sendVerify(app, { key: data.made.token })).body.code).toBe('VALID')
})

test('a list that the caller may not see takes nothing from the rest of the page', async () => {
  const { tenantId } = tenant
  const { tenantId: foreignId } = await admin.tenant()
  const viewer = await seedUser(app, { tenantId, role: 'VIEWER' })
  const { data, errors } = await ask(
    viewer.accessToken,
    `query ($tenantId: ID!, $foreignId: ID!) {
      own: scopes(tenantId: $tenantId) { totalCount }
      foreign: scopes(tenantId: $foreignId) { totalCount }
      tenant(id: $tenantId) { id }
    }`,
    { tenantId, foreignId },
  )
  expect(data).toEqual({ own: { totalCount: 0 }, foreign: null, tenant: { id: tenantId } })
  expect(errors).toMatchObject([{ path: ['foreign'], extensions: { code: 'NOT_FOUND' } }])
})
