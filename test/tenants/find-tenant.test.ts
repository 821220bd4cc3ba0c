import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { type AdminSeed, seedAdmin, seedUser } from '../harness/seed.ts'

let app: TestApp
let admin: AdminSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())

interface Which {
  readonly id?: string | null
  readonly slug?: string | null
}

function find(which: Which, { accessToken } = admin as { accessToken: string }) {
  const document = 'query ($id: ID, $slug: String) { tenant(id: $id, slug: $slug) { id slug } }'
  return sendGraphQL<{ tenant: unknown }, Which>(app, document, which, accessToken)
}

test('a tenant is found by its id or by its slug', async () => {
  const { tenantId: id, slug } = await admin.tenant()
  for (const which of [{ id }, { slug }, { id: null, slug }]) {
    expect((await find(which)).data).toEqual({ tenant: { id, slug } })
  }
})

test('the slug of another tenant, or what is no slug, finds nothing', async () => {
  const [own, foreign] = [await admin.tenant(), await admin.tenant()]
  const member = await seedUser(app, { tenantId: own.tenantId, role: 'VIEWER' })
  expect((await find({ slug: own.slug }, member)).data).toEqual({ tenant: { id: own.tenantId, slug: own.slug } })
  for (const slug of [foreign.slug, 'nowhere', '', '\u0000', own.slug.toUpperCase(), 'x'.repeat(10_000)]) {
    expect(await find({ slug }, member)).toMatchObject({ data: { tenant: null }, errors: [] })
  }
})

test.each(['both', 'neither'] as const)('%s of id and slug are refused', async (given) => {
  const { tenantId: id, slug } = await admin.tenant()
  const { errors } = await find(given === 'both' ? { id, slug } : {})
  expect(errors[0]).toMatchObject({
    message: expect.stringContaining('either'),
    extensions: { code: 'VALIDATION_FAILED' },
  })
})
