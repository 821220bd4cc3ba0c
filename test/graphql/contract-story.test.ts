import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kind, parse, print } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'

/**
 * Each document that others send, word for word, in one story: it is answered with its payload, and `/verify` sees what
 * was done.
 */
const definitions = parse(readFileSync(join(import.meta.dirname, '../contract/core.graphql'), 'utf8')).definitions
const problem = definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION).map(print)
const documents = new Map(
  definitions
    .filter((one) => one.kind === Kind.OPERATION_DEFINITION)
    .map((one) => {
      const text = print(one)
      return [one.name?.value ?? '', text.includes('...Problem') ? [text, ...problem].join('\n') : text]
    }),
)
const sent = new Set<string>()
const petstore = readFileSync(join(import.meta.dirname, '../vectors/petstore.openapi.yaml'), 'utf8')
const PASSWORD = 'a sentence nobody else would choose'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ env: { SIGNUP: 'open' } })
})
afterAll(() => app.stop())

/** What the story reads of the answers, to any depth; leaves pass as strings. */
type Answer = string & { readonly [field in Field]: Answer }
type Field =
  | 'accessToken'
  | 'acceptToken'
  | 'apiKey'
  | 'code'
  | 'corsOrigins'
  | 'created'
  | 'effectiveConfig'
  | 'id'
  | 'imported'
  | 'membership'
  | 'memberships'
  | 'message'
  | 'perMinute'
  | 'refreshToken'
  | 'scopes'
  | 'tenant'
  | 'token'
  | 'user'

/** The one root field of the answer, which is a payload and no error. */
async function send(name: string, variables: Record<string, unknown>, token?: string): Promise<Answer> {
  const document = documents.get(name)
  if (document === undefined) throw new Error(`There is no document ${name}.`)
  sent.add(name)
  const { data, errors } = await sendGraphQL<Record<string, Answer>, Record<string, unknown>>(
    app,
    document,
    variables,
    token,
  )
  expect(errors, name).toEqual([])
  const [root] = Object.values(data ?? {})
  if (root === undefined || root === null) throw new Error(`${name} was answered with nothing.`)
  expect(root.code, `${name}: ${root.message}`).toBeUndefined()
  return root
}

const verify = async (key: string): Promise<Record<string, unknown>> => (await sendVerify(app, { key })).body

describe('the documents that others send', () => {
  let admin: string
  let tenantId: string
  let keyId: string
  let token: string

  test('people join, log in and leave', async () => {
    const input = { email: 'ada@example.com', password: PASSWORD, name: 'Ada' }
    const { user } = await send('UserRegister', { input })
    const ada = await send('SessionCreate', { input: { email: input.email, password: PASSWORD } })
    expect(ada.user).toEqual(user)
    const refreshed = await send('SessionRefresh', { input: { refreshToken: ada.refreshToken } })
    const own = { name: 'Ada & Co', slug: 'ada-co', keyPrefix: 'ada', timeZone: 'Europe/Berlin' }
    const { tenant } = await send('TenantCreate', { input: own }, refreshed.accessToken)
    const invite = { tenantId: tenant.id, email: 'bob@example.com', role: 'DEVELOPER' }
    const { acceptToken } = await send('MemberInvite', { input: invite }, refreshed.accessToken)
    const accepted = await send('InvitationAccept', { input: { token: acceptToken, password: PASSWORD } })
    const bob = accepted.membership.user.id
    const role = { tenantId: tenant.id, userId: bob, role: 'VIEWER' }
    const set = await send('MemberRoleSet', { input: role }, refreshed.accessToken)
    expect(set.membership).toEqual({ user: { id: bob }, tenant: { id: tenant.id }, role: 'VIEWER' })
    await send('MemberRemove', { input: { tenantId: tenant.id, userId: bob } }, refreshed.accessToken)
    const viewer = await send('Viewer', {}, refreshed.accessToken)
    expect(viewer.memberships).toEqual([{ role: 'OWNER', tenant: { id: tenant.id, slug: 'ada-co' } }])
    const change = { currentPassword: PASSWORD, newPassword: `${PASSWORD} today` }
    await send('PasswordChange', { input: change }, refreshed.accessToken)
    const again = await send('SessionCreate', { input: { email: input.email, password: change.newPassword } })
    expect(await send('SessionEnd', {}, again.accessToken)).toMatchObject({ ended: true })
  })

  test('an admin makes a tenant with scopes', async () => {
    const login = { email: app.firstStart.adminEmail, password: ADMIN_PASSWORD }
    admin = (await send('SessionCreate', { input: login })).accessToken
    const input = { name: 'Shop', slug: 'shop', keyPrefix: 'shop' }
    tenantId = (await send('TenantCreate', { input }, admin)).tenant.id
    await send('ScopeCreate', { input: { tenantId, name: 'orders:read', category: 'orders' } }, admin)
    const document = {
      version: '1.0.0',
      scopes: [{ name: 'orders:write' }, { scope_name: 'orders:*', is_active: true }],
    }
    expect(await send('ScopesImport', { input: { tenantId, document } }, admin)).toMatchObject({
      created: 2,
      failed: 0,
    })
    const exported = await send('ScopesExport', { tenantId }, admin)
    const again = await send('ScopesImport', { input: { tenantId, document: exported } }, admin)
    expect(again).toMatchObject({ processed: 3, skipped: 3 })
    const openApi = { tenantId, document: petstore, namespace: 'petstore', wildcards: true, import: true }
    const generated = await send('ScopesFromOpenApi', { input: openApi }, admin)
    expect(generated.scopes).toHaveLength(12)
    expect(generated.imported.created).toBe(12)
  })

  test('a key is made, found, changed, rotated, switched off and on', async () => {
    const input = { tenantId, name: 'till', environment: 'PRODUCTION', scopes: ['orders:read'], ownerId: 'till-1' }
    const created = await send('ApiKeyCreate', { input }, admin)
    keyId = created.apiKey.id
    token = created.token
    expect(await verify(token)).toMatchObject({ code: 'VALID', keyId })
    const where = {
      search: 'till',
      ownerId: 'till-1',
      environment: ['PRODUCTION'],
      status: ['ACTIVE'],
      scope: 'orders:read',
    }
    const orderBy = { field: 'NAME', direction: 'ASC' }
    const list = await send('ApiKeys', { tenantId, first: 10, where, orderBy }, admin)
    expect(list).toMatchObject({ totalCount: 1, nodes: [{ id: keyId, tenant: { slug: 'shop' } }] })
    await send('ApiKeyUpdate', { id: keyId, input: { name: 'till 1', scopes: ['orders:*'] } }, admin)
    const rotated = await send('ApiKeyRotate', { id: keyId, input: { gracePeriodSeconds: 0 } }, admin)
    expect((await verify(token)).code).toBe('EXPIRED')
    token = rotated.token
    await send('ApiKeyDisable', { id: keyId }, admin)
    expect((await verify(token)).code).toBe('DISABLED')
    await send('ApiKeyEnable', { id: keyId }, admin)
    expect((await verify(token)).code).toBe('VALID')
  })

  test('configuration is set, and shown with where it comes from', async () => {
    await send('TenantConfigSet', { tenantId, input: { perMinute: 500, corsOrigins: ['https://shop.example'] } }, admin)
    await send('ApiKeyConfigSet', { id: keyId, input: { perMinute: 1000 } }, admin)
    const { effectiveConfig } = await send('EffectiveConfig', { id: keyId }, admin)
    expect(effectiveConfig.perMinute).toEqual({ value: 1000, source: 'KEY' })
    expect(effectiveConfig.corsOrigins).toEqual({ value: ['https://shop.example'], source: 'TENANT' })
  })

  test('keys of another system come in by their hashes', async () => {
    const hash = createHash('sha256').update('legacy_123').digest('hex')
    const keys = [{ name: 'legacy', hash, encoding: 'HEX', environment: 'PRODUCTION', scopes: ['orders:read'] }]
    expect(await send('ApiKeysImport', { input: { tenantId, keys } }, admin)).toMatchObject({ created: 1, failed: 0 })
    expect((await verify('legacy_123')).code).toBe('VALID')
  })

  test('a tenant is suspended and resumed, a key revoked and deleted', async () => {
    await send('TenantSuspend', { id: tenantId }, admin)
    expect((await verify(token)).code).toBe('TENANT_SUSPENDED')
    await send('TenantResume', { id: tenantId }, admin)
    await send('ApiKeyRevoke', { id: keyId, input: { reason: 'the till was sold' } }, admin)
    expect((await verify(token)).code).toBe('REVOKED')
    expect(await send('ApiKeyDelete', { id: keyId, confirmName: 'till 1' }, admin)).toMatchObject({ deletedId: keyId })
    expect((await verify(token)).code).toBe('NOT_FOUND')
  })

  test('none was left out', () => {
    expect([...documents.keys()].filter((name) => !sent.has(name))).toEqual([])
  })
})
