import { describe, expect, it } from 'vitest'
import type { ConfigSource, TenantConfig } from '../../src/configs/effective-config.ts'
import { mergeConfig } from '../../src/configs/effective-config.ts'
import { normalizeConfig } from '../../src/configs/normalize-config.ts'
import { CONFIG_ISSUES_MAX, validateConfig } from '../../src/configs/validate-config.ts'
import { compileAccessRules } from '../../src/verify/access/access-rules.ts'

const window = { days: ['MON'], start: '09:00', end: '17:00', timeZone: 'Europe/Berlin' } as const

const fullConfig: TenantConfig = {
  perSecond: { ratePerSecond: 0.5, burst: 10 },
  perMinute: 100,
  perHour: -1,
  perDay: 0,
  perMonth: 2 ** 31 - 1,
  warningPercent: 90,
  ipAllowlist: ['203.0.113.0/24', '2001:db8::/32', '::ffff:192.0.2.1'],
  ipDenylist: [],
  userAgents: ['curl/*'],
  methods: ['get'],
  paths: ['/orders/**'],
  timeWindows: [window, { ...window, days: ['FRI', 'SAT'], start: '22:00:30', end: '06:00' }],
  corsOrigins: ['*', 'https://*.example.com'],
  rotation: { everyDays: 30, gracePeriodSeconds: 86_400, mode: 'ENFORCE' },
  keyTtlDaysDefault: 30,
  keyTtlDaysMax: 365,
  leakPolicy: 'DISABLE',
  aggregate: { perSecond: { ratePerSecond: -1, burst: 0 }, perMinute: 1200 },
}

const pathsOf = (config: unknown, level: ConfigSource = 'TENANT') =>
  validateConfig(level, config).map(({ path }) => path.join('.'))

describe('the check of a configuration', () => {
  it('accepts every field with right values, and null for each', () => {
    expect(validateConfig('TENANT', fullConfig)).toEqual([])
    expect(validateConfig('SYSTEM', fullConfig)).toEqual([])
    expect(validateConfig('TENANT', {})).toEqual([])
    expect(validateConfig('TENANT', Object.fromEntries(Object.keys(fullConfig).map((name) => [name, null])))).toEqual(
      [],
    )
  })

  it('accepts nothing that the access rules could not read', () => {
    expect(compileAccessRules(mergeConfig({}, fullConfig, {})).issues).toEqual([])
  })

  it('refuses on a key what belongs to tenants', () => {
    const { keyTtlDaysDefault, keyTtlDaysMax, leakPolicy, aggregate, ...keyConfig } = fullConfig
    expect(validateConfig('KEY', keyConfig)).toEqual([])
    expect(pathsOf({ keyTtlDaysDefault, keyTtlDaysMax, leakPolicy, aggregate }, 'KEY')).toEqual([
      'keyTtlDaysDefault',
      'keyTtlDaysMax',
      'leakPolicy',
      'aggregate',
    ])
  })

  it.each([
    [{ perMinute: -2 }, 'perMinute'],
    [{ perMinute: 1.5 }, 'perMinute'],
    [{ perMinute: 2 ** 31 }, 'perMinute'],
    [{ perMinute: Number.NaN }, 'perMinute'],
    [{ perMinute: Number.POSITIVE_INFINITY }, 'perMinute'],
    [{ perMinute: '100' }, 'perMinute'],
    [{ warningPercent: 0 }, 'warningPercent'],
    [{ warningPercent: 101 }, 'warningPercent'],
    [{ warningPercent: 80.5 }, 'warningPercent'],
    [{ aggregate: { warningPercent: '80' } }, 'aggregate.warningPercent'],
    [{ perSecond: 5 }, 'perSecond'],
    [{ perSecond: { ratePerSecond: -0.5, burst: 1 } }, 'perSecond.ratePerSecond'],
    [{ perSecond: { ratePerSecond: 1e-9, burst: 1 } }, 'perSecond.ratePerSecond'],
    [{ perSecond: { ratePerSecond: Number.NaN, burst: 1 } }, 'perSecond.ratePerSecond'],
    [{ perSecond: { ratePerSecond: 5, burst: 0 } }, 'perSecond.burst'],
    [{ perSecond: { ratePerSecond: 5, burst: -1 } }, 'perSecond.burst'],
    [{ perSecond: { ratePerSecond: 5, burst: 1.5 } }, 'perSecond.burst'],
    [{ perSecond: { ratePerSecond: 5 } }, 'perSecond.burst'],
    [{ ipAllowlist: '10.0.0.0/8' }, 'ipAllowlist'],
    [{ ipAllowlist: ['10.0.0.1', '10.0.0.256', 7] }, 'ipAllowlist.1 ipAllowlist.2'],
    [{ ipDenylist: ['10.0.0.0/33'] }, 'ipDenylist.0'],
    [{ userAgents: [''] }, 'userAgents.0'],
    [{ methods: ['GET', 'G T'] }, 'methods.1'],
    [{ paths: ['orders', '/ok', '/a/../b'] }, 'paths.0 paths.2'],
    [{ timeWindows: [window, { ...window, timeZone: 'Mars/Phobos' }] }, 'timeWindows.1.timeZone'],
    [{ timeWindows: [{ ...window, start: '25:00' }] }, 'timeWindows.0.start'],
    [{ timeWindows: [{ ...window, end: 'noon' }] }, 'timeWindows.0.end'],
    [{ timeWindows: [{ ...window, days: [] }] }, 'timeWindows.0.days'],
    [{ timeWindows: [{ ...window, days: ['MONDAY'] }] }, 'timeWindows.0.days'],
    [{ timeWindows: ['always', null, {}] }, 'timeWindows.0 timeWindows.1 timeWindows.2'],
    [{ corsOrigins: ['https://a.example', 'example.com'] }, 'corsOrigins.1'],
    [{ rotation: { everyDays: 0, gracePeriodSeconds: 0, mode: 'NOTIFY' } }, 'rotation.everyDays'],
    [{ rotation: { everyDays: 3651, gracePeriodSeconds: 0, mode: 'NOTIFY' } }, 'rotation.everyDays'],
    [{ rotation: { everyDays: 60, gracePeriodSeconds: 2_592_001, mode: 'NOTIFY' } }, 'rotation.gracePeriodSeconds'],
    [{ rotation: { everyDays: 1, gracePeriodSeconds: 86_400, mode: 'NOTIFY' } }, 'rotation.gracePeriodSeconds'],
    [{ rotation: { everyDays: 1, gracePeriodSeconds: 0, mode: 'notify' } }, 'rotation.mode'],
    [{ rotation: [] }, 'rotation'],
    [{ keyTtlDaysDefault: 0 }, 'keyTtlDaysDefault'],
    [{ keyTtlDaysMax: 36_501 }, 'keyTtlDaysMax'],
    [{ leakPolicy: 'revoke' }, 'leakPolicy'],
    [{ leakPolicy: ['REVOKE'] }, 'leakPolicy'],
    [{ keyTtlDaysDefault: 31, keyTtlDaysMax: 30 }, 'keyTtlDaysDefault'],
    [{ keyTtlDaysDefault: -1, keyTtlDaysMax: 30 }, 'keyTtlDaysDefault'],
    [{ aggregate: { perMinute: -2, paths: ['/a'] } }, 'aggregate.perMinute aggregate.paths'],
    [{ aggregate: 5 }, 'aggregate'],
    [{ perWeek: 5 }, 'perWeek'],
    [{ constructor: 5, toString: 5 }, 'constructor toString'],
    [JSON.parse('{"__proto__": 5}'), '__proto__'],
    [JSON.parse('{"__proto__": null}'), '__proto__'],
    [{ perWeek: null, perDay: null }, 'perWeek'],
    [{ perSecond: { ratePerSecond: 1, burst: 1, brust: 2 } }, 'perSecond.brust'],
    [{ timeWindows: [{ ...window, zone: 'UTC' }] }, 'timeWindows.0.zone'],
    [{ rotation: { everyDays: 1, gracePeriodSeconds: 0, mode: 'NOTIFY', grace: 1 } }, 'rotation.grace'],
    [{ userAgents: ['\ud800', 'a\u0000'], paths: ['/\ud800'] }, 'userAgents.0 userAgents.1 paths.0'],
    [null, ''],
    ['text', ''],
    [[], ''],
  ])('names in %j what is wrong: %s', (config, paths) => {
    const issues = validateConfig('TENANT', config)
    expect(issues.map(({ path }) => path.join('.')).join(' ')).toBe(paths)
    for (const { detail } of issues) expect(detail).toMatch(/^[A-Z"0-9].*\.$/)
    expect(issues.length).toBeGreaterThan(0)
  })

  it.each([
    ['ipAllowlist', 1000, '10.0.0.1'],
    ['ipDenylist', 1000, '10.0.0.1'],
    ['userAgents', 100, 'x'],
    ['methods', 32, 'GET'],
    ['paths', 200, '/a'],
    ['timeWindows', 100, window],
    ['corsOrigins', 200, '*'],
  ])('accepts in %s %i entries and no more', (name, entriesMax, entry) => {
    expect(pathsOf({ [name]: Array(entriesMax).fill(entry) })).toEqual([])
    expect(pathsOf({ [name]: Array(entriesMax + 1).fill(entry) })).toEqual([name])
  })

  it('accepts -1 for a life time, a rotation, a rate and a warning', () => {
    expect(pathsOf({ keyTtlDaysDefault: 30, keyTtlDaysMax: -1 })).toEqual([])
    expect(pathsOf({ rotation: { everyDays: -1, gracePeriodSeconds: 0, mode: 'NOTIFY' } })).toEqual([])
    expect(pathsOf({ perSecond: { ratePerSecond: -1, burst: -1 } })).toEqual([])
    expect(pathsOf({ warningPercent: -1 })).toEqual([])
    expect(pathsOf({ perSecond: { ratePerSecond: 0, burst: 0 } })).toEqual([])
  })

  it('reports at most a hundred issues', () => {
    expect(validateConfig('TENANT', { ipAllowlist: Array(1000).fill('x') })).toHaveLength(CONFIG_ISSUES_MAX)
  })
})

describe('the stored form of a configuration', () => {
  it('shows what each rule means and holds no entry twice', () => {
    const config = {
      perMinute: 5,
      ipAllowlist: ['10.1.2.3/8', '10.9.9.9/8', '2001:DB8::1', '::ffff:1.2.3.4'],
      ipDenylist: null,
      methods: ['get', 'GET', 'post'],
      corsOrigins: ['HTTPS://App.example.com:443/', 'https://app.example.com'],
      timeWindows: [{ ...window, timeZone: 'europe/berlin' }],
    }
    expect(normalizeConfig<TenantConfig>(config)).toEqual({
      perMinute: 5,
      ipAllowlist: ['10.0.0.0/8', '2001:db8::1', '1.2.3.4'],
      ipDenylist: null,
      methods: ['GET', 'POST'],
      corsOrigins: ['https://app.example.com'],
      timeWindows: [window],
    })
  })

  it('is its own stored form', () => {
    const stored = normalizeConfig(fullConfig)
    expect(normalizeConfig(stored)).toEqual(stored)
    expect(validateConfig('TENANT', stored)).toEqual([])
  })
})
