import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { graphql } from '../generated/graphql/gql.ts'
import type { ApiKeyConfigInput, TenantConfigInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyConfigSet, ApiKeyRevoke, TenantConfigSet } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

const EffectiveConfig = graphql(`
  query EffectiveConfig($id: ID!) {
    apiKey(id: $id) {
      id
      effectiveConfig {
        perSecond { value { ratePerSecond burst } source }
        perMinute { value source }
        perHour { value source }
        perDay { value source }
        perMonth { value source }
        warningPercent { value source }
        ipAllowlist { value source }
        ipDenylist { value source parts { value source } }
        corsOrigins { value source }
        timeWindows { value { days start end timeZone } source }
        rotation { value { everyDays gracePeriodSeconds mode } source }
      }
    }
  }
`)

const KeyConfig = graphql(`
  query KeyConfig($id: ID!) {
    apiKey(id: $id) {
      version
      config {
        perSecond { ratePerSecond burst } perMinute perHour perDay perMonth warningPercent
        ipAllowlist ipDenylist userAgents methods paths corsOrigins
        timeWindows { days start end timeZone }
        rotation { everyDays gracePeriodSeconds mode }
      }
    }
  }
`)

const TenantConfigs = graphql(`
  query TenantConfigs($id: ID!) {
    tenant(id: $id) {
      version
      config { perMinute keyTtlDaysDefault keyTtlDaysMax aggregate { perMinute perHour perSecond { burst } } }
      effectiveConfig {
        perMinute { value source }
        keyTtlDaysMax { value source }
        aggregate { perMinute { value source } perDay { value source } }
      }
    }
  }
`)

const EVERYTHING: ApiKeyConfigInput = {
  perSecond: { ratePerSecond: 2.5, burst: 10 },
  perMinute: 100,
  perHour: -1,
  perDay: 0,
  perMonth: 2_147_483_647,
  warningPercent: 90,
  ipAllowlist: ['10.1.2.3/8', '2001:DB8::1'],
  ipDenylist: ['192.0.2.7'],
  userAgents: ['curl/*'],
  methods: ['get', 'POST'],
  paths: ['/v1/**'],
  timeWindows: [{ days: ['MON', 'FRI'], start: '22:00', end: '06:00', timeZone: 'Europe/Berlin' }],
  corsOrigins: [],
  rotation: { everyDays: 90, gracePeriodSeconds: 86_400, mode: 'NOTIFY' },
}

let app: TestApp
let admin: AdminSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())

const setTenant = (tenantId: string, input: TenantConfigInput) =>
  sendGraphQL(app, TenantConfigSet, { tenantId, input }, admin.accessToken)
const setKey = (id: string, input: ApiKeyConfigInput) =>
  sendGraphQL(app, ApiKeyConfigSet, { id, input }, admin.accessToken)

async function readKey(id: string) {
  const { data, errors } = await sendGraphQL(app, KeyConfig, { id }, admin.accessToken)
  expect(errors).toEqual([])
  return data?.apiKey
}

async function readTenant(id: string) {
  return (await sendGraphQL(app, TenantConfigs, { id }, admin.accessToken)).data?.tenant
}

async function readEffective(id: string) {
  const { data, errors } = await sendGraphQL(app, EffectiveConfig, { id }, admin.accessToken)
  expect(errors).toEqual([])
  return data?.apiKey?.effectiveConfig
}

async function verify(token: string, request: Record<string, unknown> = {}) {
  return (await sendVerify(app, { key: token, ...request })).body
}

describe('the effective configuration', () => {
  it('is key over tenant over system, field by field, with the source of each', async () => {
    const tenant = await admin.tenant()
    const [a, b] = [await tenant.key(), await tenant.key()]
    const corsOrigins = ['https://app.example.com']
    await setTenant(tenant.tenantId, { perMinute: 500, corsOrigins, ipDenylist: ['192.0.2.0/24'] })
    await setKey(a.apiKeyId, { perMinute: 1000, ipDenylist: ['198.51.100.1'] })
    expect(await readEffective(a.apiKeyId)).toMatchObject({
      perMinute: { value: 1000, source: 'KEY' },
      perHour: { value: -1, source: 'SYSTEM' },
      corsOrigins: { value: corsOrigins, source: 'TENANT' },
      ipDenylist: {
        value: ['198.51.100.1', '192.0.2.0/24'],
        source: 'KEY',
        parts: [
          { value: ['198.51.100.1'], source: 'KEY' },
          { value: ['192.0.2.0/24'], source: 'TENANT' },
        ],
      },
    })
    expect(await readEffective(b.apiKeyId)).toMatchObject({
      perMinute: { value: 500, source: 'TENANT' },
      corsOrigins: { value: corsOrigins, source: 'TENANT' },
    })
  })

  it('is unlimited and open where nobody sets anything', async () => {
    const { apiKeyId } = await (await admin.tenant()).key()
    const unlimited = { value: -1, source: 'SYSTEM' }
    const open = { value: [], source: 'SYSTEM' }
    expect(await readEffective(apiKeyId)).toEqual({
      perSecond: { value: { ratePerSecond: -1, burst: -1 }, source: 'SYSTEM' },
      perMinute: unlimited,
      perHour: unlimited,
      perDay: unlimited,
      perMonth: unlimited,
      warningPercent: { value: 80, source: 'SYSTEM' },
      ipAllowlist: open,
      ipDenylist: { ...open, parts: [] },
      corsOrigins: open,
      timeWindows: open,
      rotation: { value: null, source: 'SYSTEM' },
    })
  })

  it('of a tenant shows its own limits over all keys together', async () => {
    const { tenantId } = await admin.tenant()
    await setTenant(tenantId, { perMinute: 500, aggregate: { perMinute: 1200 } })
    expect(await readTenant(tenantId)).toMatchObject({
      effectiveConfig: {
        perMinute: { value: 500, source: 'TENANT' },
        keyTtlDaysMax: { value: -1, source: 'SYSTEM' },
        aggregate: { perMinute: { value: 1200, source: 'TENANT' }, perDay: { value: -1, source: 'SYSTEM' } },
      },
    })
  })
})

describe('setting a configuration', () => {
  it('takes every field and shows it in its canonical form', async () => {
    const { apiKeyId } = await (await admin.tenant()).key()
    expect(readCode(await setKey(apiKeyId, EVERYTHING))).toBe('ApiKeyConfigSetPayload')
    expect(await readKey(apiKeyId)).toEqual({
      version: 2,
      config: {
        ...EVERYTHING,
        ipAllowlist: ['10.0.0.0/8', '2001:db8::1'],
        methods: ['GET', 'POST'],
      },
    })
  })

  it('leaves alone what is absent, inherits again what is null, and replaces lists whole', async () => {
    const { apiKeyId } = await (await admin.tenant()).key()
    await setKey(apiKeyId, EVERYTHING)
    await setKey(apiKeyId, { perMinute: null, perHour: 7, paths: ['/v2'], ipDenylist: [], rotation: null })
    const { perMinute, perHour, perDay, paths, ipDenylist, rotation, userAgents } =
      (await readKey(apiKeyId))?.config ?? {}
    expect({ perMinute, perHour, perDay, paths, ipDenylist, rotation, userAgents }).toEqual({
      perMinute: null,
      perHour: 7,
      perDay: 0,
      paths: ['/v2'],
      ipDenylist: [],
      rotation: null,
      userAgents: ['curl/*'],
    })
  })

  it('changes the limits over all keys one by one too', async () => {
    const { tenantId } = await admin.tenant()
    await setTenant(tenantId, { aggregate: { perMinute: 10, perHour: 20, perSecond: { ratePerSecond: 1, burst: 5 } } })
    await setTenant(tenantId, { aggregate: { perMinute: null, perHour: 30 } })
    const aggregate = { perMinute: null, perHour: 30, perSecond: { burst: 5 } }
    expect((await readTenant(tenantId))?.config?.aggregate).toEqual(aggregate)
    await setTenant(tenantId, { aggregate: null })
    expect((await readTenant(tenantId))?.config?.aggregate).toBeNull()
  })

  it('is recorded with what changed before and after, and told by the names of the fields', async () => {
    const tenant = await admin.tenant()
    const { tenantId } = tenant
    const name = 'told'
    const { apiKeyId } = await tenant.key({ name })
    await setTenant(tenantId, { perMinute: 1, perHour: 2, paths: ['/a'] })
    await setKey(apiKeyId, { perDay: 1, methods: ['GET'] })
    const { audit, events } = await recordsOf(app, tenantId, async () => {
      await setTenant(tenantId, { perMinute: 5, perHour: null, paths: ['/a'], perDay: 9 })
      await setKey(apiKeyId, { perDay: null, methods: ['put'] })
    })
    const common = { outcome: 'SUCCESS', actorKind: 'USER' }
    expect(audit).toEqual([
      {
        ...common,
        action: 'config.updated',
        resourceId: tenantId,
        detail: { before: { perMinute: 1, perHour: 2 }, after: { perMinute: 5, perDay: 9 } },
      },
      {
        ...common,
        action: 'api_key.config_changed',
        resourceId: apiKeyId,
        detail: { before: { perDay: 1, methods: ['GET'] }, after: { methods: ['PUT'] } },
      },
    ])
    expect(events).toEqual([
      { type: 'config.updated', payload: { tenantId, fields: ['perDay', 'perHour', 'perMinute'] } },
      {
        type: 'api_key.config_changed',
        payload: { apiKeyId, name, environment: 'PRODUCTION', fields: ['methods', 'perDay'] },
      },
    ])
  })

  it('is recorded when repeated, changes no version and tells nobody', async () => {
    const tenant = await admin.tenant()
    const { tenantId } = tenant
    const { apiKeyId } = await tenant.key()
    await setTenant(tenantId, { perMinute: 5, ipAllowlist: ['10.9.9.9/8'] })
    await setKey(apiKeyId, EVERYTHING)
    const { audit, events } = await recordsOf(app, tenantId, async () => {
      expect(readCode(await setTenant(tenantId, { perMinute: 5, ipAllowlist: ['10.0.0.0/8'], perHour: null }))).toBe(
        'TenantConfigSetPayload',
      )
      expect(readCode(await setKey(apiKeyId, EVERYTHING))).toBe('ApiKeyConfigSetPayload')
    })
    expect(audit.map(({ action, detail }) => ({ action, detail }))).toEqual([
      { action: 'config.updated', detail: { before: {}, after: {} } },
      { action: 'api_key.config_changed', detail: { before: {}, after: {} } },
    ])
    expect(events).toEqual([])
    expect([(await readTenant(tenantId))?.version, (await readKey(apiKeyId))?.version]).toEqual([2, 2])
  })

  it('loses no change of many that come at once', async () => {
    const { apiKeyId } = await (await admin.tenant()).key()
    const inputs: ApiKeyConfigInput[] = [
      ...(['perMinute', 'perHour', 'perDay', 'perMonth'] as const).map((field) => ({ [field]: 7 })),
      ...(['userAgents', 'methods', 'paths'] as const).map((field) => ({ [field]: [] })),
    ]
    await Promise.all(inputs.map((input) => setKey(apiKeyId, input)))
    expect(await readKey(apiKeyId)).toMatchObject({ version: 1 + inputs.length, config: Object.assign({}, ...inputs) })
  })

  it('is refused for a version that is not the present one, and accepted for the present one', async () => {
    const tenant = await admin.tenant()
    const { tenantId } = tenant
    const { apiKeyId } = await tenant.key()
    expect(await setTenant(tenantId, { perMinute: 1, expectedVersion: 1 })).toMatchObject({
      data: { tenantConfigSet: { tenant: { version: 2 } } },
    })
    expect(await setTenant(tenantId, { perMinute: 2, expectedVersion: 1 })).toMatchObject({
      data: { tenantConfigSet: { code: 'CONFLICT', path: ['input', 'expectedVersion'] } },
    })
    expect(await setKey(apiKeyId, { perMinute: 1, expectedVersion: 1 })).toMatchObject({
      data: { apiKeyConfigSet: { apiKey: { version: 2 } } },
    })
    expect(readCode(await setKey(apiKeyId, { perMinute: 2, expectedVersion: 1 }))).toBe('CONFLICT')
    expect((await readTenant(tenantId))?.config?.perMinute).toBe(1)
    expect((await readKey(apiKeyId))?.config?.perMinute).toBe(1)
  })

  it('is refused for a key that is revoked', async () => {
    const { apiKeyId } = await (await admin.tenant()).key()
    await sendGraphQL(app, ApiKeyRevoke, { id: apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    expect(readCode(await setKey(apiKeyId, { perMinute: 1 }))).toBe('CONFLICT')
  })
})

describe('a configuration that cannot be', () => {
  const faults: [input: ApiKeyConfigInput, path: string[], message: RegExp][] = [
    [{ perMinute: -2 }, ['input', 'perMinute'], /-1 for unlimited/],
    [{ perSecond: { ratePerSecond: 1, burst: 0 } }, ['input', 'perSecond', 'burst'], /from 1 to/],
    [{ ipAllowlist: ['10.0.0.1', '10.0.0.0/33'] }, ['input', 'ipAllowlist', '1'], /prefix|0 to 32/i],
    [{ methods: ['GET', 'G T'] }, ['input', 'methods', '1'], /method/i],
    [{ userAgents: ['curl', '\ud800*'] }, ['input', 'userAgents', '1'], /halves/],
    [{ paths: ['/\u0000'] }, ['input', 'paths', '0'], /NUL/],
    [{ paths: ['/a/../b'] }, ['input', 'paths', '0'], /\.\./],
    [
      { timeWindows: [{ days: [], start: '09:00', end: '10:00', timeZone: 'Europe/Berlin' }] },
      ['input', 'timeWindows', '0', 'days'],
      /day/,
    ],
    [
      { rotation: { everyDays: 1, gracePeriodSeconds: 86_400, mode: 'ENFORCE' } },
      ['input', 'rotation', 'gracePeriodSeconds'],
      /before the next rotation/,
    ],
  ]
  it.each(faults)('%j is refused with the place and the reason, and changes nothing', async (input, path, message) => {
    const tenant = await admin.tenant()
    const { apiKeyId } = await tenant.key()
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      expect(await setKey(apiKeyId, input)).toMatchObject({
        data: { apiKeyConfigSet: { code: 'VALIDATION_FAILED', path, message: expect.stringMatching(message) } },
      })
      expect(await setTenant(tenant.tenantId, input)).toMatchObject({
        data: { tenantConfigSet: { code: 'VALIDATION_FAILED', path, message: expect.stringMatching(message) } },
      })
    })
    expect([audit, events]).toEqual([[], []])
    expect((await readKey(apiKeyId))?.version).toBe(1)
  })

  it('is found as well when only the stored fields tell that a new one does not fit', async () => {
    const { tenantId } = await admin.tenant()
    await setTenant(tenantId, { keyTtlDaysMax: 30 })
    expect(await setTenant(tenantId, { keyTtlDaysDefault: 31 })).toMatchObject({
      data: { tenantConfigSet: { code: 'VALIDATION_FAILED', path: ['input', 'keyTtlDaysDefault'] } },
    })
    expect(readCode(await setTenant(tenantId, { keyTtlDaysDefault: 31, keyTtlDaysMax: 40 }))).toBe(
      'TenantConfigSetPayload',
    )
  })

  it('names all faults at once, each with its place', async () => {
    const { apiKeyId } = await (await admin.tenant()).key()
    const document = `mutation ($id: ID!, $input: ApiKeyConfigInput!) {
      apiKeyConfigSet(id: $id, input: $input) { ... on ValidationError { issues { path message } } }
    }`
    const input = { perMinute: -5, ipDenylist: ['nowhere', '10.0.0.1', 'elsewhere'] }
    const { data } = await sendGraphQL(app, document, { id: apiKeyId, input }, admin.accessToken)
    expect(data).toMatchObject({
      apiKeyConfigSet: {
        issues: [
          { path: ['input', 'ipDenylist', '0'] },
          { path: ['input', 'ipDenylist', '2'] },
          { path: ['input', 'perMinute'] },
        ],
      },
    })
  })
})

describe('the next verification', () => {
  it('counts what a key sets, whatever was in memory', async () => {
    const { apiKeyId, token } = await (await admin.tenant()).key()
    expect(await verify(token, { ip: '192.0.2.1' })).toMatchObject({ code: 'VALID' })
    await setKey(apiKeyId, { ipAllowlist: ['10.0.0.0/8'] })
    expect(await verify(token, { ip: '192.0.2.1' })).toMatchObject({ code: 'IP_DENIED' })
    await setKey(apiKeyId, { ipAllowlist: null, perMinute: 2 })
    expect(await verify(token)).toMatchObject({ code: 'VALID', limits: [{ name: 'minute', limit: 2, remaining: 1 }] })
    await setKey(apiKeyId, { perMinute: 0 })
    expect(await verify(token)).toMatchObject({ code: 'RATE_LIMITED' })
    await setKey(apiKeyId, { perMinute: -1 })
    expect(await verify(token)).toMatchObject({ code: 'VALID', limits: [] })
  })

  it('counts what a tenant sets, for every key of it', async () => {
    const tenant = await admin.tenant()
    const keys = [await tenant.key(), await tenant.key()]
    for (const { token } of keys) expect(await verify(token)).toMatchObject({ code: 'VALID' })
    await setTenant(tenant.tenantId, { methods: ['GET'] })
    for (const { token } of keys) {
      expect(await verify(token, { method: 'PUT', path: '/' })).toMatchObject({ code: 'ENDPOINT_DENIED' })
    }
    await setTenant(tenant.tenantId, { methods: null, aggregate: { perMinute: 0 } })
    for (const { token } of keys) expect(await verify(token)).toMatchObject({ code: 'RATE_LIMITED' })
  })
})
