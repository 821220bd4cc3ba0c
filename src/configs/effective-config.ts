/**
 * Three levels of configuration become one: key over tenant over system, field by field, each value with its source.
 *
 * What a stored value means:
 *
 * | value            | meaning                                                                            |
 * |------------------|------------------------------------------------------------------------------------|
 * | absent or null   | this level says nothing: the next one decides                                      |
 * | -1               | unlimited, whatever the levels below say; for a warning: none                      |
 * | 0                | blocks: nothing passes                                                             |
 * | []               | no restriction, whatever the levels below say; for a denylist: adds nothing        |
 * | anything else    | replaces the value of the levels below; for a denylist: is added to it             |
 *
 * Denylists add up, so a key cannot drop what its tenant forbids. An effective value is never absent: what no level sets
 * is unlimited, unrestricted or, for rotation, null, with the source SYSTEM; what leaks is told and goes on counting, and
 * warnings are due at 80 percent.
 *
 * `aggregate` is the tenant's budget over all its keys together. It is no default for keys and a key has none, so it
 * is merged from tenant and system alone and never mixes with the fields above it. Both apply to a request.
 */

export type ConfigSource = 'KEY' | 'TENANT' | 'SYSTEM'

/** Absent and null both mean "inherit" where a config is stored; in a change, absent means "unchanged". */
type Setting<Value> = Value | null | undefined

/** A token bucket: `ratePerSecond` tokens flow in each second, at most `burst` are kept. A rate of -1 is unlimited, 0 blocks. */
export type Burst = { readonly ratePerSecond: number; readonly burst: number }

export type Weekday = 'MON' | 'TUE' | 'WED' | 'THU' | 'FRI' | 'SAT' | 'SUN'

/** See verify/access/time-windows.ts for what a window means across midnight and daylight saving. */
export type TimeWindow = {
  /** The days on which the window starts. */
  readonly days: readonly Weekday[]
  /** Local time, `HH:MM` or `HH:MM:SS`. */
  readonly start: string
  /** Local time, exclusive. Before `start`: on the next day. Equal to `start`: the whole day. */
  readonly end: string
  /** IANA name, such as `Europe/Berlin`. */
  readonly timeZone: string
}

export type RotationMode = 'NOTIFY' | 'ENFORCE' | 'DELIVER'

/** `everyDays` -1 means never, which switches an inherited policy off. */
export type RotationPolicy = {
  readonly everyDays: number
  readonly gracePeriodSeconds: number
  readonly mode: RotationMode
}

/** What becomes of a key whose token was found in public. Each does what the one before it does, and more. */
export type LeakPolicy = 'ALERT' | 'DISABLE' | 'REVOKE'

export type LimitSettings = {
  readonly perSecond?: Setting<Burst>
  readonly perMinute?: Setting<number>
  readonly perHour?: Setting<number>
  readonly perDay?: Setting<number>
  readonly perMonth?: Setting<number>
  /** How much of a day's or month's quota, or of credits, is used when a warning is due: percent, -1 for no warning. */
  readonly warningPercent?: Setting<number>
}

/** What a key may set. `corsOrigins: []` frees a key that servers use from its tenant's origins. */
export type KeyConfig = LimitSettings & {
  readonly ipAllowlist?: Setting<readonly string[]>
  readonly ipDenylist?: Setting<readonly string[]>
  readonly userAgents?: Setting<readonly string[]>
  readonly methods?: Setting<readonly string[]>
  readonly paths?: Setting<readonly string[]>
  readonly timeWindows?: Setting<readonly TimeWindow[]>
  readonly corsOrigins?: Setting<readonly string[]>
  readonly rotation?: Setting<RotationPolicy>
}

export type TenantConfig = KeyConfig & {
  readonly keyTtlDaysDefault?: Setting<number>
  readonly keyTtlDaysMax?: Setting<number>
  readonly leakPolicy?: Setting<LeakPolicy>
  readonly aggregate?: Setting<LimitSettings>
}

/** The operator's defaults have the same fields as a tenant's. */
export type SystemConfig = TenantConfig

export type Effective<Value> = { readonly value: Value; readonly source: ConfigSource }

/** `value` is the union, `source` the most specific level that adds to it, `parts` what each level adds. */
export type EffectiveDenylist = Effective<readonly string[]> & {
  readonly parts: readonly Effective<readonly string[]>[]
}

export type EffectiveLimits = {
  readonly perSecond: Effective<Burst>
  readonly perMinute: Effective<number>
  readonly perHour: Effective<number>
  readonly perDay: Effective<number>
  readonly perMonth: Effective<number>
  readonly warningPercent: Effective<number>
}

export type EffectiveConfig = EffectiveLimits & {
  readonly ipAllowlist: Effective<readonly string[]>
  readonly ipDenylist: EffectiveDenylist
  readonly userAgents: Effective<readonly string[]>
  readonly methods: Effective<readonly string[]>
  readonly paths: Effective<readonly string[]>
  readonly timeWindows: Effective<readonly TimeWindow[]>
  readonly corsOrigins: Effective<readonly string[]>
  /** null: no automatic rotation. */
  readonly rotation: Effective<RotationPolicy | null>
  /** Days, -1 for a key that never expires by itself. */
  readonly keyTtlDaysDefault: Effective<number>
  readonly keyTtlDaysMax: Effective<number>
  readonly leakPolicy: Effective<LeakPolicy>
  readonly aggregate: EffectiveLimits
}

export const UNLIMITED = -1
/** What is warned of where no level says anything: early enough to act, and not so early that nobody looks. */
export const WARNING_PERCENT_DEFAULT = 80
export const UNLIMITED_BURST: Burst = { ratePerSecond: UNLIMITED, burst: UNLIMITED }

type Level = { readonly source: ConfigSource; readonly config: TenantConfig }

/** Merges the levels. A pure function of its arguments; configs are expected to have passed validateConfig. */
export function mergeConfig(key: KeyConfig, tenant: TenantConfig, system: SystemConfig): EffectiveConfig {
  const tenantAndSystem: readonly Level[] = [
    { source: 'TENANT', config: tenant },
    { source: 'SYSTEM', config: system },
  ]
  const levels: readonly Level[] = [{ source: 'KEY', config: key }, ...tenantAndSystem]
  const aggregateLevels = tenantAndSystem.map(({ source, config }) => ({ source, config: config.aggregate ?? {} }))
  return {
    ...mergeLimits(levels),
    ipAllowlist: pick(levels, (config) => config.ipAllowlist, []),
    ipDenylist: addUp(levels, (config) => config.ipDenylist),
    userAgents: pick(levels, (config) => config.userAgents, []),
    methods: pick(levels, (config) => config.methods, []),
    paths: pick(levels, (config) => config.paths, []),
    timeWindows: pick(levels, (config) => config.timeWindows, []),
    corsOrigins: pick(levels, (config) => config.corsOrigins, []),
    rotation: mergeRotation(levels),
    keyTtlDaysDefault: pick(tenantAndSystem, (config) => config.keyTtlDaysDefault, UNLIMITED),
    keyTtlDaysMax: pick(tenantAndSystem, (config) => config.keyTtlDaysMax, UNLIMITED),
    leakPolicy: pick(tenantAndSystem, (config) => config.leakPolicy, 'ALERT'),
    aggregate: mergeLimits(aggregateLevels),
  }
}

function mergeLimits(levels: readonly Level[]): EffectiveLimits {
  const perSecond = pick(levels, (config) => config.perSecond, UNLIMITED_BURST)
  const isUnlimited = perSecond.value.ratePerSecond === UNLIMITED
  return {
    perSecond: isUnlimited ? { value: UNLIMITED_BURST, source: perSecond.source } : perSecond,
    perMinute: pick(levels, (config) => config.perMinute, UNLIMITED),
    perHour: pick(levels, (config) => config.perHour, UNLIMITED),
    perDay: pick(levels, (config) => config.perDay, UNLIMITED),
    perMonth: pick(levels, (config) => config.perMonth, UNLIMITED),
    warningPercent: pick(levels, (config) => config.warningPercent, WARNING_PERCENT_DEFAULT),
  }
}

function mergeRotation(levels: readonly Level[]): Effective<RotationPolicy | null> {
  const rotation = pick<RotationPolicy | null>(levels, (config) => config.rotation, null)
  return rotation.value?.everyDays === UNLIMITED ? { value: null, source: rotation.source } : rotation
}

function pick<Value>(
  levels: readonly Level[],
  read: (config: TenantConfig) => Setting<Value>,
  fallback: Value,
): Effective<Value> {
  for (const { source, config } of levels) {
    const value = read(config)
    if (value !== undefined && value !== null) return { value, source }
  }
  return { value: fallback, source: 'SYSTEM' }
}

function addUp(
  levels: readonly Level[],
  read: (config: TenantConfig) => Setting<readonly string[]>,
): EffectiveDenylist {
  const parts = levels
    .map(({ source, config }) => ({ source, value: read(config) ?? [] }))
    .filter((part) => part.value.length > 0)
  const value = [...new Set(parts.flatMap((part) => part.value))]
  return { value, source: parts[0]?.source ?? 'SYSTEM', parts }
}
