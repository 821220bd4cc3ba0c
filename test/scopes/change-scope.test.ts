import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ScopeUpdateInput, ScopeWhere } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import {
  ApiKeyById,
  ApiKeyRevoke,
  ApiKeyUpdate,
  ScopeCreate,
  ScopeDelete,
  Scopes,
  ScopeUpdate,
} from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

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

async function update(id: string, input: ScopeUpdateInput) {
  const answer = await sendGraphQL(app, ScopeUpdate, { id, input }, admin.accessToken)
  expect(answer.errors).toEqual([])
  return answer.data?.scopeUpdate
}

async function remove(id: string, expectedVersion?: number) {
  const variables = { id, ...(expectedVersion !== undefined && { expectedVersion }) }
  return (await sendGraphQL(app, ScopeDelete, variables, admin.accessToken)).data?.scopeDelete
}

async function codeOf(key: string, ...scopes: string[]): Promise<unknown> {
  return (await sendVerify(app, { key, scopes })).body.code
}

describe('switching a scope off', () => {
  test('takes it from a key that holds its name on the very next verification, and gives it back when it is on', async () => {
    const id = await tenant.scope('orders:read')
    const { token } = await tenant.key({ scopes: ['orders:read'] })
    expect(await codeOf(token, 'orders:read')).toBe('VALID')
    await update(id, { active: false })
    const denied = await sendVerify(app, { key: token, scopes: ['orders:read'] })
    expect(denied.body).toMatchObject({ code: 'INSUFFICIENT_SCOPE', missingScopes: ['orders:read'], scopes: [] })
    await update(id, { active: true })
    expect(await codeOf(token, 'orders:read')).toBe('VALID')
  })

  test('takes it from wildcards over it, which go on granting everything else', async () => {
    await tenant.scope('crm:contacts:read')
    const id = await tenant.scope('crm:contacts:write')
    const { token } = await tenant.key({ scopes: ['crm:contacts:*'] })
    const broader = await tenant.key({ scopes: ['crm:*'] })
    for (const key of [token, broader.token]) expect(await codeOf(key, 'crm:contacts:write')).toBe('VALID')
    await update(id, { active: false })
    for (const key of [token, broader.token]) {
      expect(await codeOf(key, 'crm:contacts:write')).toBe('INSUFFICIENT_SCOPE')
      expect(await codeOf(key, 'crm:contacts:read')).toBe('VALID')
    }
  })

  test('of a wildcard takes what it granted, and leaves what is held beside it', async () => {
    await tenant.scope('crm:read')
    await tenant.scope('crm:write')
    const id = await tenant.scope('crm:*')
    const { token } = await tenant.key({ scopes: ['crm:*', 'crm:read'] })
    await update(id, { active: false })
    expect(await codeOf(token, 'crm:read')).toBe('VALID')
    expect(await codeOf(token, 'crm:write')).toBe('INSUFFICIENT_SCOPE')
  })

  test('is known to a key that is read for the first time afterwards, among names with other beginnings', async () => {
    await tenant.scope('a_b:read')
    await update(await tenant.scope('axb:read'), { active: false })
    await update(await tenant.scope('a_b:write'), { active: false })
    const { token } = await tenant.key({ scopes: ['a_b:*', 'a_b:read'] })
    expect(await codeOf(token, 'a_b:read')).toBe('VALID')
    expect(await codeOf(token, 'a_b:write')).toBe('INSUFFICIENT_SCOPE')
  })

  test('of one tenant leaves the scope of the same name of another', async () => {
    const other = await admin.tenant()
    await other.scope('orders:read')
    const { token } = await other.key({ scopes: ['orders:read'] })
    await update(await tenant.scope('orders:read'), { active: false })
    expect(await codeOf(token, 'orders:read')).toBe('VALID')
  })
})

describe('updating a scope', () => {
  test('changes what is named, takes away what is null, leaves the rest, and is recorded as before and after', async () => {
    const input = { tenantId: tenant.tenantId, name: 'orders:read', description: 'See orders.', category: 'Shop' }
    const { data } = await sendGraphQL(app, ScopeCreate, { input }, admin.accessToken)
    if (data?.scopeCreate.__typename !== 'ScopeCreatePayload') throw new Error('No scope.')
    const { id } = data.scopeCreate.scope
    const records = await recordsOf(app, tenant.tenantId, async () => {
      expect(await update(id, { description: 'See all orders.', category: null })).toEqual({
        __typename: 'ScopeUpdatePayload',
        scope: {
          id,
          version: 2,
          name: 'orders:read',
          description: 'See all orders.',
          category: null,
          active: true,
        },
      })
    })
    expect(records.audit).toMatchObject([
      {
        action: 'scope.updated',
        resourceId: id,
        detail: {
          name: 'orders:read',
          before: { description: 'See orders.', category: 'Shop' },
          after: { description: 'See all orders.', category: null },
        },
      },
    ])
    expect(records.events).toEqual([])
  })

  test('that changes nothing keeps the version and is recorded', async () => {
    const id = await tenant.scope('orders:read')
    const records = await recordsOf(app, tenant.tenantId, async () => {
      expect(await update(id, { active: true })).toMatchObject({ scope: { version: 1 } })
    })
    expect(records.audit).toMatchObject([{ action: 'scope.updated', detail: { before: {}, after: {} } }])
  })

  test('is refused when somebody else changed the scope meanwhile', async () => {
    const id = await tenant.scope('orders:read')
    await update(id, { category: 'Shop', expectedVersion: 1 })
    const path = ['input', 'expectedVersion']
    expect(await update(id, { category: 'Store', expectedVersion: 1 })).toMatchObject({ code: 'CONFLICT', path })
  })

  test.each([
    ['a description with NUL', { description: 'a\u0000b' }, 'description'],
    ['an empty category', { category: '' }, 'category'],
  ])('refuses %s', async (_, input, field) => {
    const id = await tenant.scope('orders:read')
    expect(await update(id, input)).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', field] })
  })
})

describe('deleting a scope', () => {
  test('takes it out of the catalogue and from the keys that hold its name, at once, and says how many', async () => {
    await tenant.scope('orders:write')
    const id = await tenant.scope('orders:read')
    const holder = await tenant.key({ scopes: ['orders:read', 'orders:write'] })
    const other = await tenant.key({ scopes: ['orders:write'] })
    expect(await codeOf(holder.token, 'orders:read')).toBe('VALID')
    const records = await recordsOf(app, tenant.tenantId, async () => {
      expect(await remove(id)).toEqual({ __typename: 'ScopeDeletePayload', deletedId: id, changedKeys: 1 })
    })
    expect(records.audit).toMatchObject([
      { action: 'scope.deleted', resourceId: id, detail: { before: { name: 'orders:read' }, changedKeys: 1 } },
    ])
    expect(await codeOf(holder.token, 'orders:read')).toBe('INSUFFICIENT_SCOPE')
    for (const { token } of [holder, other]) expect(await codeOf(token, 'orders:write')).toBe('VALID')
    const { data } = await sendGraphQL(app, Scopes, { tenantId: tenant.tenantId }, admin.accessToken)
    expect(data?.scopes.nodes.map(({ name }) => name)).toEqual(['orders:write'])
  })

  test('is refused while it is off and a wildcard that a key holds would grant it again', async () => {
    await tenant.scope('orders:read')
    const id = await tenant.scope('orders:items:write')
    const { token, apiKeyId } = await tenant.key({ scopes: ['orders:*'] })
    await update(id, { active: false })
    expect(await remove(id)).toMatchObject({ code: 'CONFLICT' })
    expect(await codeOf(token, 'orders:items:write')).toBe('INSUFFICIENT_SCOPE')
    expect(await codeOf(token, 'orders:read')).toBe('VALID')
    await sendGraphQL(app, ApiKeyUpdate, { id: apiKeyId, input: { scopes: ['orders:read'] } }, admin.accessToken)
    expect(await remove(id)).toMatchObject({ deletedId: id })
  })

  test('that is off takes no notice of wildcards over something else, of revoked keys and of other tenants', async () => {
    const id = await tenant.scope('orders:read')
    await tenant.scope('order:read')
    await tenant.key({ scopes: ['order:*'] })
    const { apiKeyId } = await tenant.key({ scopes: ['orders:*'] })
    const input = { reason: 'left the company' }
    await sendGraphQL(app, ApiKeyRevoke, { id: apiKeyId, input }, admin.accessToken)
    const foreign = await admin.tenant()
    await foreign.scope('orders:read')
    await foreign.key({ scopes: ['orders:*'] })
    await update(id, { active: false })
    expect(await remove(id)).toMatchObject({ deletedId: id })
  })

  test('is not found a second time', async () => {
    const id = await tenant.scope('orders:read')
    await remove(id)
    expect(await remove(id)).toMatchObject({ __typename: 'NotFoundError' })
    expect(await update(id, { active: false })).toMatchObject({ __typename: 'NotFoundError' })
  })

  test('is refused for another version than the one that was read', async () => {
    const id = await tenant.scope('orders:read')
    expect(await remove(id, 2)).toMatchObject({ code: 'CONFLICT' })
    expect(await remove(id, 1)).toMatchObject({ deletedId: id })
  })

  test('never leaves a key with a scope that the catalogue does not have, however the two meet', async () => {
    for (let round = 0; round < 20; round++) {
      const name = `race:r${round}`
      const id = await tenant.scope(name)
      const [, made] = await Promise.all([remove(id), tenant.key({ scopes: [name] }).catch(() => null)])
      if (made === null) continue
      expect(await codeOf(made.token, name)).toBe('INSUFFICIENT_SCOPE')
      expect((await sendGraphQL(app, ApiKeyById, { id: made.apiKeyId }, admin.accessToken)).errors).toEqual([])
    }
    const [row] = await app.query<{ count: string }>("SELECT count(*) FROM api_keys WHERE scopes::text LIKE '%race:%'")
    expect(row?.count).toBe('0')
  })
})

describe('the list of scopes', () => {
  async function names(where: ScopeWhere): Promise<readonly string[] | undefined> {
    const variables = { tenantId: tenant.tenantId, where }
    const { data, errors } = await sendGraphQL(app, Scopes, variables, admin.accessToken)
    expect(errors).toEqual([])
    expect(data?.scopes.totalCount).toBe(data?.scopes.nodes.length)
    return data?.scopes.nodes.map(({ name }) => name)
  }

  beforeEach(async () => {
    const scopes = [
      { name: 'crm:read', description: 'See 100% of Contacts.', category: 'CRM' },
      { name: 'orders:read_all', category: 'Shop' },
      { name: 'orders:readxall', category: 'shop' },
    ]
    for (const scope of scopes) {
      await sendGraphQL(app, ScopeCreate, { input: { tenantId: tenant.tenantId, ...scope } }, admin.accessToken)
    }
    await update(await tenant.scope('zoo:feed'), { active: false })
  })

  test('is searched by part of name or description, letter case and wildcards of SQL meaning nothing', async () => {
    expect(await names({ search: 'ORDERS' })).toEqual(['orders:read_all', 'orders:readxall'])
    expect(await names({ search: 'read_all' })).toEqual(['orders:read_all'])
    expect(await names({ search: 'contacts' })).toEqual(['crm:read'])
    expect(await names({ search: '0% of' })).toEqual(['crm:read'])
    expect(await names({ search: '\\' })).toEqual([])
    expect(await names({ search: ' ', category: '' })).toEqual(await names({}))
  })

  test('is narrowed by category and by what is switched on, all at once', async () => {
    expect(await names({ category: 'Shop' })).toEqual(['orders:read_all'])
    expect(await names({ active: false })).toEqual(['zoo:feed'])
    expect(await names({ active: true, search: 'o' })).toEqual(['crm:read', 'orders:read_all', 'orders:readxall'])
    expect(await names({ active: true, search: 'zoo' })).toEqual([])
  })

  test('goes on behind a cursor with the same filter', async () => {
    const variables = { tenantId: tenant.tenantId, where: { search: 'orders' }, first: 1 }
    const first = await sendGraphQL(app, Scopes, variables, admin.accessToken)
    const after = first.data?.scopes.pageInfo.endCursor ?? ''
    const second = await sendGraphQL(app, Scopes, { ...variables, after }, admin.accessToken)
    expect(second.data?.scopes.nodes.map(({ name }) => name)).toEqual(['orders:readxall'])
    expect(second.data?.scopes.pageInfo.hasNextPage).toBe(false)
  })

  test.each([
    ['a search of 101 characters', { search: 'x'.repeat(101) }],
    ['a search with NUL', { search: 'a\u0000' }],
  ])('refuses %s', async (_, where) => {
    const variables = { tenantId: tenant.tenantId, where }
    expect(readCode(await sendGraphQL(app, Scopes, variables, admin.accessToken))).toBe('VALIDATION_FAILED')
  })
})
