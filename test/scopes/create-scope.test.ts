import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ScopeCreateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ScopeCreate, Scopes } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import { type AdminSeed, seedAdmin, seedUser, type TenantSeed, type UserSeed, uuidOf } from '../harness/seed.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
let user: UserSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  user = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
})
afterAll(() => app.stop())

async function create(input: Omit<ScopeCreateInput, 'tenantId'>, headers: Record<string, string> = {}) {
  const variables = { input: { tenantId: tenant.tenantId, ...input } }
  const answer = await sendGraphQL(app, ScopeCreate, variables, user.accessToken, headers)
  expect(answer.errors).toEqual([])
  return answer.data?.scopeCreate
}

test('a scope is added to the catalogue and recorded', async () => {
  const input = { name: 'invoices:read', description: 'See invoices.\nAll of them.', category: 'Billing' }
  const created = await create(input, { 'x-request-id': 'scope-1', 'user-agent': 'a browser' })
  if (created?.__typename !== 'ScopeCreatePayload') throw new Error(JSON.stringify(created))
  expect(created.scope).toEqual({ id: expect.stringMatching(/^scp_/), ...input, active: true })

  const { data } = await sendGraphQL(app, Scopes, { tenantId: tenant.tenantId }, user.accessToken)
  expect(data?.scopes.nodes).toContainEqual({ ...created.scope, tenant: { id: tenant.tenantId } })
  expect(await findAuditRecords(app, 'scope-1')).toEqual([
    {
      tenant_id: uuidOf(tenant.tenantId),
      action: 'scope.created',
      outcome: 'SUCCESS',
      actor_kind: 'USER',
      actor_id: uuidOf(user.userId),
      resource_type: 'Scope',
      resource_id: created.scope.id,
      detail: { after: { ...input, active: true } },
      occurred_at: new Date(app.clock.now()),
      ip: '127.0.0.1',
      user_agent: 'a browser',
      correlation_id: 'scope-1',
    },
  ])
  expect(await findOutboxRecords(app, 'scope-1')).toEqual([])
})

test('a name that is taken is a conflict in this tenant, and free in another', async () => {
  await create({ name: 'taken:read' })
  expect(await create({ name: 'taken:read' }, { 'x-request-id': 'scope-twice' })).toEqual({
    __typename: 'ConflictError',
    code: 'CONFLICT',
    message: 'The catalogue has a scope `taken:read` already.',
    path: ['input', 'name'],
  })
  expect(await findAuditRecords(app, 'scope-twice')).toEqual([])
  await (await admin.tenant()).scope('taken:read')
})

test.each([
  ['one segment', 'orders'],
  ['nothing', ''],
  ['upper case', 'Orders:read'],
  ['a wildcard in the middle', 'orders:*:read'],
  ['a wildcard alone', '*'],
  ['an empty segment', 'orders::read'],
  ['a blank at the end', 'orders:read '],
  ['NUL', 'orders:\u0000'],
  ['101 characters', `orders:${'x'.repeat(94)}`],
  ['the reserved namespace', 'keyward:verify'],
  ['a wildcard over the reserved namespace', 'keyward:*'],
])('a name with %s is refused', async (_, name) => {
  expect(await create({ name })).toMatchObject({ __typename: 'ValidationError', path: ['input', 'name'] })
})

test.each([
  ['a description with NUL', { description: 'a\u0000b' }, 'description'],
  ['a description of 1001 characters', { description: 'x'.repeat(1001) }, 'description'],
  ['an empty category', { category: '' }, 'category'],
  ['a category with a line break', { category: 'a\nb' }, 'category'],
  ['a category of 101 characters', { category: 'x'.repeat(101) }, 'category'],
])('%s is refused', async (_, input, field) => {
  const created = await create({ name: 'fine:read', ...input })
  expect(created).toMatchObject({ __typename: 'ValidationError', path: ['input', field] })
})
