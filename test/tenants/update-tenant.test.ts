import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TenantUpdateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { createManualClock } from '../harness/manual-clock.ts'
import { TenantConfigSet, TenantUpdate } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

let app: TestApp
let admin: AdminSeed
beforeAll(async () => {
  app = await startTestApp({ clock: createManualClock('2026-03-04T22:30:00.000Z') })
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())

const update = (id: string, input: TenantUpdateInput) =>
  sendGraphQL(app, TenantUpdate, { id, input }, admin.accessToken)

test('name and time zone are changed, what is not named stays, and it is recorded and told', async () => {
  const { tenantId: id, slug } = await admin.tenant()
  const { audit, events } = await recordsOf(app, id, async () => {
    expect((await update(id, { name: 'Ge\u0301ne Ltd.' })).data?.tenantUpdate).toMatchObject({
      tenant: { id, name: 'Géne Ltd.', timeZone: 'UTC', slug, version: 2 },
    })
    expect((await update(id, { timeZone: 'Europe/Berlin', expectedVersion: 2 })).data?.tenantUpdate).toMatchObject({
      tenant: { name: 'Géne Ltd.', timeZone: 'Europe/Berlin', version: 3 },
    })
  })
  const common = { action: 'tenant.updated', outcome: 'SUCCESS', actorKind: 'USER', resourceId: id }
  expect(audit).toEqual([
    { ...common, detail: { before: { name: slug }, after: { name: 'Géne Ltd.' } } },
    { ...common, detail: { before: { timeZone: 'UTC' }, after: { timeZone: 'Europe/Berlin' } } },
  ])
  expect(events).toEqual([
    { type: 'tenant.updated', payload: { tenantId: id, slug, fields: ['name'] } },
    { type: 'tenant.updated', payload: { tenantId: id, slug, fields: ['timeZone'] } },
  ])
})

test('a time zone counts from the next verification on', async () => {
  const { tenantId: id, key } = await admin.tenant()
  await sendGraphQL(app, TenantConfigSet, { tenantId: id, input: { perDay: 1 } }, admin.accessToken)
  const { token } = await key()
  const verify = async () => (await sendVerify(app, { key: token })).body
  expect(await verify()).toMatchObject({ code: 'VALID', limits: [{ resetSeconds: 90 * 60 }] })
  expect((await verify()).code).toBe('QUOTA_EXCEEDED')
  // Half past midnight there: another day has begun.
  await update(id, { timeZone: 'Africa/Cairo' })
  expect(await verify()).toMatchObject({ code: 'VALID', limits: [{ resetSeconds: 23.5 * 60 * 60 }] })
  await update(id, { timeZone: 'UTC' })
  expect((await verify()).code).toBe('QUOTA_EXCEEDED')
})

test('a change of nothing is recorded and tells nobody', async () => {
  const { tenantId: id, slug } = await admin.tenant()
  const { audit, events } = await recordsOf(app, id, async () => {
    expect((await update(id, { name: slug })).data?.tenantUpdate).toMatchObject({ tenant: { version: 1 } })
  })
  expect([audit.length, events]).toEqual([1, []])
})

test('a change of what somebody else has changed meanwhile is refused', async () => {
  const { tenantId: id } = await admin.tenant()
  const codes = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => readCode(await update(id, { name, expectedVersion: 1 }))),
  )
  expect(codes.sort()).toEqual(['CONFLICT', 'CONFLICT', 'TenantUpdatePayload'])
})

test.each([
  ['no name', { name: null }, 'name'],
  ['an empty name', { name: '' }, 'name'],
  ['a name that begins with a blank', { name: ' a' }, 'name'],
  ['a name of 10,000 characters', { name: 'x'.repeat(10_000) }, 'name'],
  ['a name with a control character', { name: 'a\u0007' }, 'name'],
  ['a name that mixes letters which look alike', { name: 'Аcme' }, 'name'],
  ['no time zone', { timeZone: null }, 'timeZone'],
  ['a time zone that nobody keeps a calendar in', { timeZone: 'JST' }, 'timeZone'],
] satisfies [string, TenantUpdateInput, string][])('%s is refused', async (_, input, field) => {
  const { tenantId: id } = await admin.tenant()
  const answer = await update(id, input)
  // What is no time zone by any name is refused by the scalar.
  if (answer.data === null) expect(answer.errors[0]?.extensions.code).toBe('QUERY_INVALID')
  else expect(answer.data.tenantUpdate).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', field] })
})
