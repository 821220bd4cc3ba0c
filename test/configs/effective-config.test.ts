import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyConfigChange } from '../../src/configs/apply-config-change.ts'
import { type KeyConfig, mergeConfig, type TenantConfig, UNLIMITED_BURST } from '../../src/configs/effective-config.ts'

describe('the effective configuration', () => {
  it('takes key over tenant over system, field by field, with the source of each', () => {
    const system = { perMinute: 100 }
    const tenant = { perMinute: 500, corsOrigins: ['https://app.example.com'], aggregate: { perMinute: 1200 } }
    const keyA = mergeConfig({ perMinute: 1000 }, tenant, system)
    const keyB = mergeConfig({}, tenant, system)
    expect(keyA.perMinute).toEqual({ value: 1000, source: 'KEY' })
    expect(keyA.corsOrigins).toEqual({ value: ['https://app.example.com'], source: 'TENANT' })
    expect(keyB.perMinute).toEqual({ value: 500, source: 'TENANT' })
    expect(keyB.corsOrigins).toEqual(keyA.corsOrigins)
    expect(keyA.aggregate.perMinute).toEqual({ value: 1200, source: 'TENANT' })
    expect(keyB.aggregate).toEqual(keyA.aggregate)
    expect(mergeConfig({}, {}, system).perMinute).toEqual({ value: 100, source: 'SYSTEM' })
  })

  it('is unlimited and open where no level says anything', () => {
    const unlimited = { value: -1, source: 'SYSTEM' }
    const open = { value: [], source: 'SYSTEM' }
    const limits = {
      perSecond: { value: UNLIMITED_BURST, source: 'SYSTEM' },
      perMinute: unlimited,
      perHour: unlimited,
      perDay: unlimited,
      perMonth: unlimited,
      warningPercent: { value: 80, source: 'SYSTEM' },
    }
    expect(mergeConfig({}, {}, {})).toEqual({
      ...limits,
      ipAllowlist: open,
      ipDenylist: { ...open, parts: [] },
      userAgents: open,
      methods: open,
      paths: open,
      timeWindows: open,
      corsOrigins: open,
      rotation: { value: null, source: 'SYSTEM' },
      keyTtlDaysDefault: unlimited,
      keyTtlDaysMax: unlimited,
      leakPolicy: { value: 'ALERT', source: 'SYSTEM' },
      aggregate: limits,
    })
  })

  it('takes the percentage of warnings from the most specific level, and apart from it for all keys together', () => {
    const system = { warningPercent: 70, aggregate: { warningPercent: 60 } }
    expect(mergeConfig({ warningPercent: 95 }, { warningPercent: 90 }, system)).toMatchObject({
      warningPercent: { value: 95, source: 'KEY' },
      aggregate: { warningPercent: { value: 60, source: 'SYSTEM' } },
    })
    expect(mergeConfig({}, { warningPercent: -1, aggregate: { warningPercent: 50 } }, system)).toMatchObject({
      warningPercent: { value: -1, source: 'TENANT' },
      aggregate: { warningPercent: { value: 50, source: 'TENANT' } },
    })
  })

  it('inherits through null as through absence', () => {
    const tenant = { perMinute: 500, paths: ['/a'], aggregate: null }
    expect(mergeConfig({ perMinute: null, paths: null }, tenant, {})).toEqual(
      mergeConfig({}, { perMinute: 500, paths: ['/a'] }, {}),
    )
  })

  it('lets -1 lift and 0 block whatever the levels below say', () => {
    const tenant = { perMinute: 500, perHour: 0, perSecond: { ratePerSecond: 5, burst: 10 } }
    const effective = mergeConfig({ perMinute: -1, perHour: 7, perSecond: { ratePerSecond: -1, burst: 3 } }, tenant, {})
    expect(effective.perMinute).toEqual({ value: -1, source: 'KEY' })
    expect(effective.perHour).toEqual({ value: 7, source: 'KEY' })
    expect(effective.perSecond).toEqual({ value: UNLIMITED_BURST, source: 'KEY' })
    expect(mergeConfig({ perMinute: 0 }, tenant, {}).perMinute).toEqual({ value: 0, source: 'KEY' })
  })

  it('replaces lists, and lets an empty one lift the restriction of the levels below', () => {
    const tenant = { ipAllowlist: ['10.0.0.0/8'], paths: ['/a'], userAgents: ['x*'] }
    const effective = mergeConfig({ ipAllowlist: ['192.0.2.1'], paths: [] }, tenant, { methods: ['GET'] })
    expect(effective.ipAllowlist).toEqual({ value: ['192.0.2.1'], source: 'KEY' })
    expect(effective.paths).toEqual({ value: [], source: 'KEY' })
    expect(effective.userAgents).toEqual({ value: ['x*'], source: 'TENANT' })
    expect(effective.methods).toEqual({ value: ['GET'], source: 'SYSTEM' })
  })

  it('adds denylists up over the levels, so that no key drops what its tenant denies', () => {
    const tenant = { ipDenylist: ['192.0.2.1', '192.0.2.2'] }
    const system = { ipDenylist: ['192.0.2.3'] }
    expect(mergeConfig({ ipDenylist: ['192.0.2.9', '192.0.2.1'] }, tenant, system).ipDenylist).toEqual({
      value: ['192.0.2.9', '192.0.2.1', '192.0.2.2', '192.0.2.3'],
      source: 'KEY',
      parts: [
        { value: ['192.0.2.9', '192.0.2.1'], source: 'KEY' },
        { value: ['192.0.2.1', '192.0.2.2'], source: 'TENANT' },
        { value: ['192.0.2.3'], source: 'SYSTEM' },
      ],
    })
    expect(mergeConfig({ ipDenylist: [] }, tenant, {}).ipDenylist).toMatchObject({
      value: tenant.ipDenylist,
      source: 'TENANT',
    })
  })

  it('keeps every denial of every level, whatever the levels say', () => {
    const list = fc.option(fc.array(fc.ipV4(), { maxLength: 4 }), { nil: null })
    fc.assert(
      fc.property(list, list, list, (key, tenant, system) => {
        const { value } = mergeConfig({ ipDenylist: key }, { ipDenylist: tenant }, { ipDenylist: system }).ipDenylist
        expect(new Set(value)).toEqual(new Set([...(key ?? []), ...(tenant ?? []), ...(system ?? [])]))
      }),
    )
  })

  it('keeps the aggregate of a tenant apart from the defaults of its keys', () => {
    const effective = mergeConfig(
      { perHour: 5 },
      { perMinute: 500, aggregate: { perHour: 9 } },
      { aggregate: { perDay: 7, perHour: 8 } },
    )
    expect(effective.perHour).toEqual({ value: 5, source: 'KEY' })
    expect(effective.perDay).toEqual({ value: -1, source: 'SYSTEM' })
    expect(effective.aggregate.perMinute).toEqual({ value: -1, source: 'SYSTEM' })
    expect(effective.aggregate.perHour).toEqual({ value: 9, source: 'TENANT' })
    expect(effective.aggregate.perDay).toEqual({ value: 7, source: 'SYSTEM' })
  })

  it('takes the life time of keys from tenant and system alone', () => {
    const effective = mergeConfig({}, { keyTtlDaysDefault: 30 }, { keyTtlDaysDefault: 90, keyTtlDaysMax: 365 })
    expect(effective.keyTtlDaysDefault).toEqual({ value: 30, source: 'TENANT' })
    expect(effective.keyTtlDaysMax).toEqual({ value: 365, source: 'SYSTEM' })
    expect(mergeConfig({}, {}, { leakPolicy: 'DISABLE' }).leakPolicy).toEqual({ value: 'DISABLE', source: 'SYSTEM' })
    const tenant = mergeConfig({}, { leakPolicy: 'REVOKE' }, { leakPolicy: 'DISABLE' })
    expect(tenant.leakPolicy).toEqual({ value: 'REVOKE', source: 'TENANT' })
  })

  it('lets a key switch its tenant’s rotation off', () => {
    const rotation = { everyDays: 30, gracePeriodSeconds: 3600, mode: 'NOTIFY' } as const
    expect(mergeConfig({}, { rotation }, {}).rotation).toEqual({ value: rotation, source: 'TENANT' })
    expect(mergeConfig({ rotation: { ...rotation, everyDays: -1 } }, { rotation }, {}).rotation).toEqual({
      value: null,
      source: 'KEY',
    })
  })

  it('equals, for each limit, the first value that is set from key to system', () => {
    const limit = fc.constantFrom(undefined, null, -1, 0, 1, 500)
    fc.assert(
      fc.property(limit, limit, limit, (key, tenant, system) => {
        const levels = [key, tenant, system]
        const first = levels.findIndex((value) => value !== undefined && value !== null)
        const expected = { value: levels[first] ?? -1, source: ['KEY', 'TENANT', 'SYSTEM'][first] ?? 'SYSTEM' }
        expect(mergeConfig({ perDay: key }, { perDay: tenant }, { perDay: system }).perDay).toEqual(expected)
      }),
    )
  })
})

describe('a change of a configuration', () => {
  it('leaves absent fields, takes null away and replaces the rest', () => {
    const current: KeyConfig = { perMinute: 1, perHour: 2, paths: ['/a', '/b'] }
    expect(applyConfigChange(current, { perHour: null, paths: ['/c'], perDay: 0, methods: undefined })).toEqual({
      perMinute: 1,
      paths: ['/c'],
      perDay: 0,
    })
    expect(current).toEqual({ perMinute: 1, perHour: 2, paths: ['/a', '/b'] })
  })

  it('keeps empty lists, zero and -1, which mean something', () => {
    expect(applyConfigChange<KeyConfig>({}, { paths: [], perMinute: 0, perHour: -1 })).toEqual({
      paths: [],
      perMinute: 0,
      perHour: -1,
    })
  })

  it('follows the same rule inside the aggregate and takes it away whole by null', () => {
    const current: TenantConfig = { aggregate: { perMinute: 1, perHour: 2 } }
    expect(applyConfigChange(current, { aggregate: { perHour: null, perDay: 3 } })).toEqual({
      aggregate: { perMinute: 1, perDay: 3 },
    })
    expect(applyConfigChange(current, {})).toEqual(current)
    expect(applyConfigChange(current, { aggregate: null })).toEqual({})
  })
})
