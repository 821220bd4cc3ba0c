import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ApiKeyCreateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendGraphQL } from '../harness/client.ts'
import {
  ApiKeyConfigSet,
  ApiKeyCreate,
  ApiKeyDisable,
  ApiKeyEnable,
  ApiKeyRevoke,
  ApiKeyRotate,
  ApiKeysUpdate,
  ApiKeyUpdate,
  ConfigsImport,
  ScopeCreate,
  SessionEnd,
  TenantConfigSet,
  TenantCreate,
  TenantResume,
  TenantSuspend,
  Viewer,
} from '../harness/operations.ts'
import { MemberInvite } from '../harness/people-operations.ts'
import { findAuditRecords } from '../harness/records.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  type KeySeed,
  seedAdmin,
  seedUser,
  type TenantSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp({ env: { TRUSTED_PROXIES: '127.0.0.1' } })
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())
beforeEach(async () => {
  tenant = await admin.tenant()
})

const READER = 'keyward:keys:read'
const CREATOR = 'keyward:keys:create'

function machine(scopes: string[], more: Partial<ApiKeyCreateInput> = {}): Promise<KeySeed> {
  return tenant.key({ scopes, ...more })
}

async function whoIs(token: string, headers: Record<string, string> = {}) {
  const { status, data, errors } = await sendGraphQL(app, Viewer, {}, token, headers)
  return { status, viewer: data?.viewer ?? null, code: errors[0]?.extensions.code ?? null }
}

async function createKey(token: string, input: Partial<ApiKeyCreateInput> = {}) {
  const full = { tenantId: tenant.tenantId, name: uniqueName(), environment: 'TEST' as const, ...input }
  return sendGraphQL(app, ApiKeyCreate, { input: full }, token)
}

const IN = { status: 200, code: null }
const OUT = { status: 401, viewer: null, code: 'UNAUTHENTICATED' }

describe('a key with management scopes', () => {
  test('is let in by either header, and the viewer is the key', async () => {
    const { token, apiKeyId } = await machine([READER], { name: 'pipeline' })
    const viewer = { __typename: 'ApiKey', id: apiKeyId, name: 'pipeline' }
    expect(await whoIs(token)).toEqual({ ...IN, viewer })
    const answer = await send(app, '/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': token },
      body: JSON.stringify({ query: Viewer.toString() }),
    })
    expect(JSON.parse(answer.text).data).toEqual({ viewer })
  })

  test('is refused when both headers are sent, rather than one of them believed', async () => {
    const { token } = await machine([READER])
    expect(await whoIs(token, { 'x-api-key': token })).toEqual(OUT)
    expect(await whoIs(admin.accessToken, { 'x-api-key': token })).toEqual(OUT)
  })

  test('may do what its scopes allow and nothing else, in its own tenant and no other', async () => {
    const { token } = await machine(['keyward:scopes:write'])
    const add = async (tenantId: string) =>
      readCode(await sendGraphQL(app, ScopeCreate, { input: { tenantId, name: 'orders:read' } }, token))
    expect(await add(tenant.tenantId)).toBe('ScopeCreatePayload')
    expect(await add((await admin.tenant()).tenantId)).toBe('NOT_FOUND')
    expect(await add(await findPlatformTenantId(app))).toBe('NOT_FOUND')
    expect(readCode(await createKey(token))).toBe('FORBIDDEN')
  })

  test('may do all of a wildcard', async () => {
    const { token } = await machine(['keyward:keys:*'])
    expect(readCode(await createKey(token))).toBe('ApiKeyCreatePayload')
    expect(
      readCode(await sendGraphQL(app, ScopeCreate, { input: { tenantId: tenant.tenantId, name: 'a:b' } }, token)),
    ).toBe('FORBIDDEN')
  })

  test('of the platform holds its permissions in every tenant', async () => {
    const platform = { tenantId: await findPlatformTenantId(app) }
    const scopes = ['keyward:tenants:create', 'keyward:keys:create']
    const { token } = await machine(scopes, platform)
    const input = { name: 'a', slug: uniqueName(), keyPrefix: 'abc' }
    expect(readCode(await sendGraphQL(app, TenantCreate, { input }, token))).toBe('TenantCreatePayload')
    expect(readCode(await createKey(token))).toBe('ApiKeyCreatePayload')
  })

  test('has no session to end, and what it may not do is recorded as its own attempt', async () => {
    const { token, apiKeyId } = await machine([READER])
    const requestId = `machine-${randomUUIDv7()}`
    expect(readCode(await sendGraphQL(app, SessionEnd, {}, token, { 'x-request-id': requestId }))).toBe('FORBIDDEN')
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { action: 'authorization.rejected', actor_kind: 'API_KEY', actor_id: uuidOf(apiKeyId) },
    ])
  })

  test('is who created a key that it creates, also in the log', async () => {
    const { token, apiKeyId } = await machine(['keyward:keys:*', 'keyward:tenants:read'])
    const requestId = `machine-${randomUUIDv7()}`
    const input = { tenantId: tenant.tenantId, name: 'made', environment: 'TEST' as const }
    const { data } = await sendGraphQL(app, ApiKeyCreate, { input }, token, { 'x-request-id': requestId })
    if (data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(data))
    const document = 'query ($id: ID!) { apiKey(id: $id) { createdBy { __typename ... on ApiKey { id } } } }'
    const made = await sendGraphQL<{ apiKey: unknown }, object>(
      app,
      document,
      { id: data.apiKeyCreate.apiKey.id },
      token,
    )
    expect(made.data?.apiKey).toEqual({ createdBy: { __typename: 'ApiKey', id: apiKeyId } })
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { action: 'api_key.created', actor_kind: 'API_KEY', actor_id: uuidOf(apiKeyId) },
    ])
  })
})

test('a key without management scopes is that of a client, and sees nothing here', async () => {
  await tenant.scope('orders:read')
  const { token } = await machine(['orders:read'])
  expect(await whoIs(token)).toEqual({ status: 403, viewer: null, code: 'FORBIDDEN' })
})

test('a key that may change things and not read them is shown what it changed, and nothing else', async () => {
  const { token } = await machine([CREATOR, 'keyward:scopes:write', 'keyward:members:invite'])
  const { data, errors } = await createKey(token, { name: 'made' })
  expect(errors).toEqual([])
  if (data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(data))
  const { id } = data.apiKeyCreate.apiKey
  const added = await sendGraphQL(app, ScopeCreate, { input: { tenantId: tenant.tenantId, name: 'a:b' } }, token)
  expect(readCode(added)).toBe('ScopeCreatePayload')
  const document = 'query ($id: ID!) { node(id: $id) { id } apiKey(id: $id) { id } }'
  const later = await sendGraphQL(app, document, { id }, token)
  expect(later.data).toBeNull()
  expect(later.errors.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN', 'FORBIDDEN'])
})

describe('the life of a key ends its power on the next request:', () => {
  const act = (document: typeof ApiKeyDisable, id: string) => sendGraphQL(app, document, { id }, admin.accessToken)

  test('revoked', async () => {
    const { token, apiKeyId } = await machine([READER])
    expect(await whoIs(token)).toMatchObject(IN)
    await sendGraphQL(app, ApiKeyRevoke, { id: apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    expect(await whoIs(token)).toEqual(OUT)
  })

  test('disabled, until it is enabled', async () => {
    const { token, apiKeyId } = await machine([READER])
    await act(ApiKeyDisable, apiKeyId)
    expect(await whoIs(token)).toEqual(OUT)
    await sendGraphQL(app, ApiKeyEnable, { id: apiKeyId }, admin.accessToken)
    expect(await whoIs(token)).toMatchObject(IN)
  })

  test('expired, to the millisecond', async () => {
    const { token } = await machine([READER], { expiresAt: new Date(app.clock.now() + 1000).toISOString() })
    app.clock.advance(999)
    expect(await whoIs(token)).toMatchObject(IN)
    app.clock.advance(1)
    expect(await whoIs(token)).toEqual(OUT)
  })

  test('of a suspended tenant, until it is resumed', async () => {
    const { token } = await machine([READER])
    await sendGraphQL(app, TenantSuspend, { id: tenant.tenantId }, admin.accessToken)
    expect(await whoIs(token)).toEqual(OUT)
    await sendGraphQL(app, TenantResume, { id: tenant.tenantId }, admin.accessToken)
    expect(await whoIs(token)).toMatchObject(IN)
  })

  test('replaced, at the end of the grace', async () => {
    const { token, apiKeyId } = await machine([READER])
    const input = { gracePeriodSeconds: 60 }
    const { data } = await sendGraphQL(app, ApiKeyRotate, { id: apiKeyId, input }, admin.accessToken)
    if (data?.apiKeyRotate.__typename !== 'ApiKeyRotatePayload') throw new Error(JSON.stringify(data))
    expect(await whoIs(token)).toMatchObject(IN)
    app.clock.advance(60_000)
    expect(await whoIs(token)).toEqual(OUT)
    expect(await whoIs(data.apiKeyRotate.token ?? '')).toMatchObject(IN)
  })

  test('a token that waits for its first use has it here too, and the old one ends', async () => {
    const { token, apiKeyId } = await machine([READER])
    const input = { gracePeriodSeconds: 0, activate: 'ON_FIRST_USE' as const }
    const { data } = await sendGraphQL(app, ApiKeyRotate, { id: apiKeyId, input }, admin.accessToken)
    if (data?.apiKeyRotate.__typename !== 'ApiKeyRotatePayload') throw new Error(JSON.stringify(data))
    expect(await whoIs(token)).toMatchObject(IN)
    expect(await whoIs(data.apiKeyRotate.token ?? '')).toMatchObject(IN)
    expect(await whoIs(token)).toEqual(OUT)
  })

  test('without a scope that was taken from it', async () => {
    const { token, apiKeyId } = await machine([READER, CREATOR])
    expect(readCode(await createKey(token))).toBe('ApiKeyCreatePayload')
    await sendGraphQL(app, ApiKeyUpdate, { id: apiKeyId, input: { scopes: [READER] } }, admin.accessToken)
    expect(readCode(await createKey(token))).toBe('FORBIDDEN')
  })
})

describe('access rules of a key hold here too:', () => {
  const configure = (id: string, input: object) => sendGraphQL(app, ApiKeyConfigSet, { id, input }, admin.accessToken)
  const from = (ip: string) => ({ 'x-forwarded-for': ip })

  test('its addresses', async () => {
    const { token, apiKeyId } = await machine([READER])
    await configure(apiKeyId, { ipAllowlist: ['192.0.2.0/24'], ipDenylist: ['192.0.2.7'] })
    expect(await whoIs(token, from('192.0.2.1'))).toMatchObject(IN)
    expect(await whoIs(token, from('198.51.100.1'))).toEqual({ status: 403, viewer: null, code: 'FORBIDDEN' })
    expect(await whoIs(token, from('192.0.2.7'))).toMatchObject({ code: 'FORBIDDEN' })
  })

  test('its user agents', async () => {
    const { token, apiKeyId } = await machine([READER])
    await configure(apiKeyId, { userAgents: ['pipeline/*'] })
    expect(await whoIs(token, { 'user-agent': 'pipeline/2' })).toMatchObject(IN)
    expect(await whoIs(token, { 'user-agent': 'curl' })).toMatchObject({ code: 'FORBIDDEN' })
  })

  test('but not its methods and paths, which are those of the API that it was made for', async () => {
    const { token, apiKeyId } = await machine([READER])
    await configure(apiKeyId, { methods: ['GET'], paths: ['/orders/*'] })
    expect(await whoIs(token)).toMatchObject(IN)
  })
})

describe('a machine gives nobody more than it holds:', () => {
  test.each([[READER], ['keyward:keys:*'], ['keyward:*'], ['keyward:scopes:write']])(
    'a key that creates keys alone cannot create one with %s',
    async (scope) => {
      const { token } = await machine([CREATOR])
      expect(readCode(await createKey(token, { scopes: [scope] }))).toBe('FORBIDDEN')
    },
  )

  test('what it holds it can give', async () => {
    const { token } = await machine([CREATOR, READER])
    const { data } = await createKey(token, { scopes: [READER] })
    expect(data?.apiKeyCreate).toMatchObject({ apiKey: { scopes: [READER] } })
  })

  test('a key that changes keys cannot add to one, itself included', async () => {
    const { token, apiKeyId } = await machine(['keyward:keys:update'])
    const other = await machine([])
    for (const id of [apiKeyId, other.apiKeyId]) {
      const input = { scopes: ['keyward:keys:update', READER] }
      expect(readCode(await sendGraphQL(app, ApiKeyUpdate, { id, input }, token))).toBe('FORBIDDEN')
    }
  })

  test('a key that rotates keys cannot take over one that may do more', async () => {
    const { token } = await machine(['keyward:keys:rotate'])
    const stronger = await machine(['keyward:keys:*'])
    const plain = await machine([])
    const rotate = async (id: string) => readCode(await sendGraphQL(app, ApiKeyRotate, { id, input: {} }, token))
    expect(await rotate(stronger.apiKeyId)).toBe('FORBIDDEN')
    expect(await rotate(plain.apiKeyId)).toBe('ApiKeyRotatePayload')
  })

  test('a key that changes keys cannot bring one back that may do more, neither by enabling it nor by a later end', async () => {
    const { token } = await machine(['keyward:keys:disable', 'keyward:keys:update'])
    const end = new Date(app.clock.now() + 60_000).toISOString()
    const later = new Date(app.clock.now() + 3_600_000).toISOString()
    const stronger = await machine(['keyward:keys:*'], { expiresAt: end })
    const plain = await machine([], { expiresAt: end })
    const set = async (id: string, input: { expiresAt?: string | null; name?: string; scopes?: string[] }) =>
      readCode(await sendGraphQL(app, ApiKeyUpdate, { id, input }, token))
    const enable = async (id: string) => readCode(await sendGraphQL(app, ApiKeyEnable, { id }, token))
    const disable = async (id: string) => readCode(await sendGraphQL(app, ApiKeyDisable, { id }, token))
    for (const expiresAt of [later, null]) expect(await set(stronger.apiKeyId, { expiresAt })).toBe('FORBIDDEN')
    expect(await setMany(stronger.apiKeyId, later, token)).toMatchObject([{ error: { code: 'FORBIDDEN' } }])
    expect(await setMany(plain.apiKeyId, later, token)).toMatchObject([{ status: 'UPDATED' }])
    expect(await set(stronger.apiKeyId, { name: 'known' })).toBe('ApiKeyUpdatePayload')
    expect(await disable(stronger.apiKeyId)).toBe('ApiKeyDisablePayload')
    expect(await enable(stronger.apiKeyId)).toBe('FORBIDDEN')
    expect(await disable(plain.apiKeyId)).toBe('ApiKeyDisablePayload')
    expect(await enable(plain.apiKeyId)).toBe('ApiKeyEnablePayload')
    expect(await set(stronger.apiKeyId, { expiresAt: later, scopes: [] })).toBe('ApiKeyUpdatePayload')
  })

  describe('a key that sets configurations', () => {
    const office = { ipAllowlist: ['192.0.2.1'] }

    async function importRow(token: string, apiKeyId: string, config: object, dryRun = false) {
      const input = { tenantId: tenant.tenantId, dryRun, document: { configs: [{ key: apiKeyId, config }] } }
      const { data } = await sendGraphQL(app, ConfigsImport, { input }, token)
      return data?.configsImport.__typename === 'BulkPayload' ? data.configsImport.rows[0] : undefined
    }

    test('cannot change the rules of one that may do more, alone or in an import', async () => {
      const { token } = await machine(['keyward:configs:write', 'keyward:configs:import'])
      const stronger = await machine(['keyward:keys:*'], { config: office })
      const plain = await machine([], { config: office })
      const set = async (id: string, input: object) =>
        readCode(await sendGraphQL(app, ApiKeyConfigSet, { id, input }, token))
      const changes = [{ ipAllowlist: [] }, { ipAllowlist: null }, { perMinute: 1 }]
      for (const change of changes) {
        expect(await set(stronger.apiKeyId, change)).toBe('FORBIDDEN')
        for (const dryRun of [true, false]) {
          const { audit } = await recordsOf(app, tenant.tenantId, async () => {
            const row = await importRow(token, stronger.apiKeyId, change, dryRun)
            expect(row).toMatchObject({ status: 'FAILED', error: { code: 'FORBIDDEN' } })
          })
          expect(audit.map(({ action }) => action)).toEqual(['configs.imported', 'authorization.rejected'])
        }
      }
      expect(await whoIs(stronger.token)).toMatchObject({ viewer: null })
      expect(await set(plain.apiKeyId, { ipAllowlist: [] })).toBe('ApiKeyConfigSetPayload')
      expect(await importRow(token, plain.apiKeyId, { perMinute: 1 })).toMatchObject({ status: 'UPDATED' })
      // What holds already is no change: an export can be imported again by whoever may import.
      expect(await set(stronger.apiKeyId, office)).toBe('ApiKeyConfigSetPayload')
      expect(await importRow(token, stronger.apiKeyId, office)).toMatchObject({ status: 'SKIPPED' })
    })

    test('changes the rules of one that may do no more', async () => {
      const { token } = await machine(['keyward:configs:*', 'keyward:keys:*'])
      const equal = await machine(['keyward:keys:*'], { config: office })
      const answer = await sendGraphQL(app, ApiKeyConfigSet, { id: equal.apiKeyId, input: { ipAllowlist: [] } }, token)
      expect(readCode(answer)).toBe('ApiKeyConfigSetPayload')
      expect(await whoIs(equal.token)).toMatchObject(IN)
    })

    test('changes the rules of the tenant, which loosen nothing that a stronger key sets for itself', async () => {
      const { token } = await machine(['keyward:configs:write'])
      const stronger = await machine(['keyward:keys:*'], { config: { ...office, ipDenylist: ['127.0.0.1'] } })
      const input = { ipAllowlist: [], ipDenylist: [] }
      const { tenantId } = tenant
      expect(readCode(await sendGraphQL(app, TenantConfigSet, { tenantId, input }, token))).toBe(
        'TenantConfigSetPayload',
      )
      expect(await whoIs(stronger.token)).toMatchObject({ viewer: null })
    })
  })

  test('a key that invites people gives them a role when it holds all that the role allows', async () => {
    const { token } = await machine(['keyward:members:invite'])
    const strong = await machine(['keyward:members:invite', ...(await viewerScopes())])
    const invite = async (who: string, role: 'VIEWER' | 'OWNER') => {
      const input = { tenantId: tenant.tenantId, email: `${uniqueName()}@example.com`, role }
      return readCode(await sendGraphQL(app, MemberInvite, { input }, who))
    }
    expect(await invite(token, 'VIEWER')).toBe('FORBIDDEN')
    expect(await invite(strong.token, 'VIEWER')).toBe('MemberInvitePayload')
    expect(await invite(strong.token, 'OWNER')).toBe('FORBIDDEN')
  })

  test('a key of the platform makes nobody its admin without every permission, which an admin of it holds', async () => {
    const tenantId = await findPlatformTenantId(app)
    const platformKey = async (scopes: string[]) => {
      const input = { tenantId, name: uniqueName(), environment: 'PRODUCTION' as const, scopes }
      const { data } = await sendGraphQL(app, ApiKeyCreate, { input }, admin.accessToken)
      return data?.apiKeyCreate.__typename === 'ApiKeyCreatePayload' ? (data.apiKeyCreate.token ?? '') : ''
    }
    const invite = async (token: string) => {
      const input = { tenantId, email: `${uniqueName()}@example.com`, role: 'ADMIN' as const }
      return readCode(await sendGraphQL(app, MemberInvite, { input }, token))
    }
    expect(await invite(await platformKey(await scopesOf('OWNER')))).toBe('FORBIDDEN')
    expect(await invite(await platformKey(['keyward:*']))).toBe('MemberInvitePayload')
  })
})

test('a developer of the platform can neither make nor take a key that would act in every tenant', async () => {
  const tenantId = await findPlatformTenantId(app)
  const developer = await seedUser(app, { tenantId, role: 'DEVELOPER' })
  const create = (token: string, scopes: string[]) => {
    const input = { tenantId, name: uniqueName(), environment: 'PRODUCTION' as const, scopes }
    return sendGraphQL(app, ApiKeyCreate, { input }, token)
  }
  expect(readCode(await create(developer.accessToken, [READER]))).toBe('FORBIDDEN')
  expect(readCode(await create(developer.accessToken, []))).toBe('ApiKeyCreatePayload')
  const { data } = await create(admin.accessToken, [READER])
  if (data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error('An admin of the platform may.')
  const { id } = data.apiKeyCreate.apiKey
  expect(readCode(await sendGraphQL(app, ApiKeyRotate, { id, input: {} }, developer.accessToken))).toBe('FORBIDDEN')
})

async function setMany(id: string, expiresAt: string, token: string) {
  const input = { tenantId: tenant.tenantId, keys: [{ id, changes: { expiresAt } }] }
  const { data } = await sendGraphQL(app, ApiKeysUpdate, { input }, token)
  return data?.apiKeysUpdate.__typename === 'BulkPayload' ? data.apiKeysUpdate.rows : []
}

const viewerScopes = () => scopesOf('VIEWER')

async function scopesOf(role: string): Promise<string[]> {
  const { data } = await sendGraphQL<{ permissions: { scope: string; roles: string[] }[] }, object>(
    app,
    '{ permissions { scope roles } }',
    {},
    admin.accessToken,
  )
  return (data?.permissions ?? []).filter(({ roles }) => roles.includes(role)).map(({ scope }) => scope)
}

describe('strangers', () => {
  test('learn nothing from what is wrong with a token', async () => {
    const { token, apiKeyId } = await machine([READER])
    await sendGraphQL(app, ApiKeyDisable, { id: apiKeyId }, admin.accessToken)
    const text = async (shown: string) =>
      (
        await send(app, '/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${shown}` },
          body: JSON.stringify({ query: '{ viewer { __typename } }' }),
        })
      ).text
    expect(await text(token)).toBe(await text(`${token.slice(0, -1)}x`))
    expect(await text(token)).toBe(await text('never-seen'))
  })

  test('are told to come later when they try many, while good keys and sessions of the address go on', async () => {
    const { token } = await machine([READER])
    const address = { 'x-forwarded-for': '203.0.113.200' }
    const codes = []
    for (let count = 0; count < 61; count++) codes.push((await whoIs(`unknown-${count}`, address)).code)
    expect(codes.slice(0, 60)).toEqual(Array(60).fill('UNAUTHENTICATED'))
    expect(codes[60]).toBe('RATE_LIMITED')
    expect(await whoIs(token, address)).toMatchObject(IN)
    expect(await whoIs(admin.accessToken, address)).toMatchObject(IN)
    expect(await whoIs('unknown')).toEqual(OUT)
  })
})
