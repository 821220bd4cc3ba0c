import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type KeyConfig, mergeConfig, type TenantConfig } from '../../../src/configs/effective-config.ts'
import {
  type AccessDenial,
  type AccessDenialCode,
  type AccessRequest,
  compileAccessRules,
  evaluateAccess,
} from '../../../src/verify/access/access-rules.ts'

/** A Monday, 12:00 UTC. */
const MONDAY_NOON_MS = Date.parse('2026-06-01T12:00:00Z')

function denialOf(
  config: { key?: KeyConfig; tenant?: TenantConfig },
  request: AccessRequest,
  nowMs = MONDAY_NOON_MS,
): AccessDenial | undefined {
  const { rules } = compileAccessRules(mergeConfig(config.key ?? {}, config.tenant ?? {}, {}))
  return evaluateAccess(rules, request, nowMs)
}

/** Every rule, set so that `goodRequest` passes at Monday noon and `badRequest` at no other time than then. */
const everyRule = {
  ipAllowlist: ['203.0.113.0/24'],
  userAgents: ['acme/*'],
  corsOrigins: ['https://app.example.com'],
  methods: ['GET'],
  paths: ['/orders/**'],
  timeWindows: [{ days: ['MON'], start: '09:00', end: '17:00', timeZone: 'UTC' }],
} as const satisfies KeyConfig

const goodRequest = {
  ip: '203.0.113.7',
  userAgent: 'acme/1',
  origin: 'https://app.example.com',
  method: 'GET',
  path: '/orders/7',
} as const satisfies AccessRequest

const badRequest = {
  ip: '198.51.100.7',
  userAgent: 'curl/8',
  origin: 'https://evil.example',
  method: 'POST',
  path: '/admin',
} as const satisfies AccessRequest

/** In the contract's order of precedence: the fields of the request, the rules they fall under, and the code. */
const precedence = [
  { inputs: ['ip'], fields: ['ipAllowlist'], code: 'IP_DENIED' },
  { inputs: ['userAgent'], fields: ['userAgents'], code: 'USER_AGENT_DENIED' },
  { inputs: ['origin'], fields: ['corsOrigins'], code: 'ORIGIN_DENIED' },
  { inputs: ['method'], fields: ['methods'], code: 'ENDPOINT_DENIED' },
  { inputs: ['path'], fields: ['paths'], code: 'ENDPOINT_DENIED' },
  { inputs: [], fields: ['timeWindows'], code: 'OUTSIDE_TIME_WINDOW' },
] as const satisfies readonly {
  inputs: readonly (keyof AccessRequest)[]
  fields: readonly (keyof typeof everyRule)[]
  code: AccessDenialCode
}[]

const pickFields = <Source extends object>(source: Source, names: readonly (keyof Source)[]): Partial<Source> =>
  Object.fromEntries(names.map((name) => [name, source[name]])) as Partial<Source>

describe('access rules', () => {
  it('admit everything when nothing is set', () => {
    expect(denialOf({}, {})).toBeUndefined()
    expect(denialOf({}, badRequest)).toBeUndefined()
    const { rules } = compileAccessRules(mergeConfig({}, {}, {}))
    expect(Object.values(rules).every((rule) => rule === undefined)).toBe(true)
  })

  it('admit a request that satisfies all of them', () => {
    expect(denialOf({ key: everyRule }, goodRequest)).toBeUndefined()
  })

  it.each(precedence)(
    'deny with $code when the rule of $fields alone is broken, and when its input is missing (but for the origin)',
    ({ inputs, fields, code }) => {
      const key = pickFields(everyRule, fields)
      const nowMs = code === 'OUTSIDE_TIME_WINDOW' ? MONDAY_NOON_MS + 86_400_000 : MONDAY_NOON_MS
      expect(denialOf({ key }, badRequest, nowMs)?.code).toBe(code)
      if (inputs.length > 0 && code !== 'ORIGIN_DENIED')
        expect(denialOf({ key }, {}, nowMs)).toMatchObject({ code, detail: expect.stringContaining('missing') })
      expect(denialOf({ key }, goodRequest)).toBeUndefined()
    },
  )

  it('answer with the first broken rule in the order of precedence, whichever are set, broken or without input', () => {
    const condition = fc.constantFrom('good', 'bad', 'missing')
    fc.assert(
      fc.property(
        fc.tuple(...precedence.map(() => fc.boolean())),
        fc.tuple(...precedence.map(() => condition)),
        (isSet, conditions) => {
          const steps = precedence.map((step, index) => ({
            ...step,
            isSet: isSet[index],
            condition: conditions[index] ?? 'good',
          }))
          const key = pickFields(
            everyRule,
            steps.filter((step) => step.isSet).flatMap((step) => step.fields),
          )
          const inputsThat = (wanted: string) =>
            steps.filter((step) => step.condition === wanted).flatMap((step) => [...step.inputs])
          const request = {
            ...pickFields(goodRequest, inputsThat('good')),
            ...pickFields(badRequest, inputsThat('bad')),
          }
          const isWindowOpen = conditions.at(-1) === 'good'
          const denies = ({ code, condition }: (typeof steps)[number]) =>
            condition === 'bad' || (condition === 'missing' && code !== 'ORIGIN_DENIED')
          const expected = steps.find((step) => step.isSet && denies(step))?.code
          expect(denialOf({ key }, request, isWindowOpen ? MONDAY_NOON_MS : MONDAY_NOON_MS + 86_400_000)?.code).toBe(
            expected,
          )
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('take the replaced list of the most specific level and the denylists of all', () => {
    const tenant = { ipDenylist: ['203.0.113.9'], userAgents: ['acme/*'], paths: ['/orders/**'] }
    expect(denialOf({ tenant, key: { ipDenylist: [] } }, { ...goodRequest, ip: '203.0.113.9' })).toEqual({
      code: 'IP_DENIED',
      detail: "203.0.113.9 is denied by 203.0.113.9 in the tenant's IP denylist.",
    })
    expect(
      denialOf({ tenant, key: { ipAllowlist: ['203.0.113.9'] } }, { ...goodRequest, ip: '203.0.113.9' })?.code,
    ).toBe('IP_DENIED')
    expect(denialOf({ tenant, key: { userAgents: [] } }, { ...goodRequest, userAgent: undefined })).toBeUndefined()
    expect(denialOf({ tenant, key: { paths: ['/invoices'] } }, goodRequest)?.code).toBe('ENDPOINT_DENIED')
  })

  it('let a key free itself from the origins of its tenant', () => {
    const tenant = { corsOrigins: ['https://app.example.com'] }
    const request = { origin: 'https://other.example.com' }
    expect(denialOf({ tenant }, request)?.code).toBe('ORIGIN_DENIED')
    expect(denialOf({ tenant, key: { corsOrigins: [] } }, request)).toBeUndefined()
  })

  it('say in each denial whose rule decided, without what else is allowed or denied', () => {
    const secrets = ['192.0.2.66', 'internal-tool', 'https://internal.example', 'PURGE', '/internal', 'Europe/Vaduz']
    const tenant: TenantConfig = {
      ipAllowlist: ['192.0.2.66'],
      ipDenylist: ['192.0.2.66'],
      userAgents: ['internal-tool'],
      corsOrigins: ['https://internal.example'],
      methods: ['PURGE'],
      paths: ['/internal'],
      timeWindows: [{ days: ['SUN'], start: '01:00', end: '01:01', timeZone: 'Europe/Vaduz' }],
    }
    for (const { fields, code } of precedence) {
      for (const request of code === 'ORIGIN_DENIED' ? [badRequest] : [badRequest, {}]) {
        const detail = denialOf({ tenant: { ...pickFields(tenant, fields), ipDenylist: [] } }, request)?.detail ?? ''
        expect(detail).toMatch(/^[A-Z0-9].*\.$/)
        for (const secret of secrets) expect(detail).not.toContain(secret)
        if (request === badRequest) expect(detail).toContain("the tenant's")
      }
    }
    expect(denialOf({ tenant: { ipDenylist: ['192.0.2.66', '198.51.100.0/24'] } }, badRequest)?.detail).not.toContain(
      '192.0.2.66',
    )
  })

  it('stay closed where a stored entry cannot be read, and report it', () => {
    const key: KeyConfig = {
      ipAllowlist: ['203.0.113.7', 'nonsense'],
      ipDenylist: ['192.0.2.1', '192.0.2.2', '1.2.3'],
      userAgents: [''],
      corsOrigins: ['nonsense'],
      methods: ['*'],
      paths: ['nonsense'],
      timeWindows: [{ days: ['MON'], start: '00:00', end: '00:00', timeZone: 'Mars/Phobos' }],
    }
    const { issues } = compileAccessRules(mergeConfig(key, {}, {}))
    expect(issues.map(({ list, source, index }) => `${source} ${list} ${index}`)).toEqual([
      'KEY ipAllowlist 1',
      'KEY ipDenylist 2',
      'KEY userAgents 0',
      'KEY corsOrigins 0',
      'KEY methods 0',
      'KEY paths 0',
      'KEY timeWindows 0',
    ])
    for (const { fields, code } of precedence) {
      const isAllowlist = fields[0] === 'ipAllowlist'
      expect(
        denialOf({ key: isAllowlist ? { ipDenylist: key.ipDenylist } : pickFields(key, fields) }, goodRequest)?.code,
      ).toBe(code)
    }
  })
})
