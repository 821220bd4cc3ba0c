import { getZoneCalendar, type ZoneCalendar } from '../../lib/calendar.ts'
import type { LimitName, LimitRule, LimitScope } from './limiter.ts'

/**
 * Effective limits of a key, or the limits of a tenant over all its keys. Absent, null and -1 are unlimited, 0 blocks.
 */
export interface LimitValues {
  readonly perSecond?: { readonly ratePerSecond: number; readonly burst: number } | null | undefined
  readonly perMinute?: number | null | undefined
  readonly perHour?: number | null | undefined
  readonly perDay?: number | null | undefined
  readonly perMonth?: number | null | undefined
  /** Of a quota or of credits; absent, null and -1: no warning. */
  readonly warningPercent?: number | null | undefined
}

export interface LimitConfig {
  readonly key: LimitValues
  /** The tenant's `aggregate`. */
  readonly tenant: LimitValues
  /** The tenant's IANA time zone. */
  readonly zone: string
  /** Whether the key spends credits. */
  readonly hasCredits: boolean
}

/** What a verification of one key has to check, compiled once when its snapshot is filled. */
export interface LimitPlan {
  /** Key before tenant, shorter windows before longer ones. */
  readonly rules: readonly LimitRule[]
  readonly hasKeyRules: boolean
  readonly hasTenantRules: boolean
  /** Whether the key or the tenant has a limit per day or month, so that stored counts must be loaded. */
  readonly hasQuotas: boolean
  readonly hasCredits: boolean
  /** Percent of credits that are spent when it is time to warn; 0: never. */
  readonly creditWarningPercent: number
  readonly calendar: ZoneCalendar
}

/**
 * The plan for a configuration, or null when nothing is limited. Throws a RangeError for an unknown zone and for
 * numbers that are no limits: configuration is validated when it is set, so such a one is a defect and must not become
 * "unlimited".
 */
export function prepareLimits(config: LimitConfig): LimitPlan | null {
  const calendar = getZoneCalendar(config.zone)
  const keyRules = listRules('key', config.key, calendar)
  const tenantRules = listRules('tenant', config.tenant, calendar)
  const rules = [...keyRules, ...tenantRules]
  if (rules.length === 0 && !config.hasCredits) return null
  return {
    rules,
    hasKeyRules: keyRules.length > 0,
    hasTenantRules: tenantRules.length > 0,
    hasQuotas: rules.some(isQuota),
    hasCredits: config.hasCredits,
    creditWarningPercent: toPercent(config.key.warningPercent),
    calendar,
  }
}

export function isQuota(rule: LimitRule): boolean {
  return rule.name === 'day' || rule.name === 'month'
}

function listRules(scope: LimitScope, values: LimitValues, calendar: ZoneCalendar): LimitRule[] {
  const rules: LimitRule[] = []
  const warningPercent = toPercent(values.warningPercent)
  const add = (name: LimitName, limit: number | null | undefined, windowSeconds: number, ratePerSecond = 0) => {
    if (limit === undefined || limit === null || limit === -1) return
    if (!Number.isInteger(limit) || limit < 0 || limit > LIMIT_MAX) throw new RangeError(`${limit} is no limit.`)
    rules.push({ name, scope, limit, ratePerSecond, windowSeconds, warningPercent, calendar })
  }
  const bucket = values.perSecond
  if (bucket !== undefined && bucket !== null && bucket.ratePerSecond !== -1) {
    const { ratePerSecond: rate, burst } = bucket
    if (!Number.isFinite(rate) || rate < 0) throw new RangeError(`${rate} is no rate per second.`)
    // Nothing flows in at rate 0, and 0 blocks: the burst would otherwise be a gift that a restart repeats.
    add('second', rate === 0 ? Math.min(burst, 0) : burst, fillingSeconds(rate, burst), rate)
  }
  add('minute', values.perMinute, 60)
  add('hour', values.perHour, 3600)
  add('day', values.perDay, 0)
  add('month', values.perMonth, 0)
  return rules
}

function toPercent(setting: number | null | undefined): number {
  if (setting === undefined || setting === null || setting === -1) return 0
  if (!Number.isInteger(setting) || setting < 1 || setting > 100) throw new RangeError(`${setting} is no percentage.`)
  return setting
}

/** The window that a bucket's burst is for: as long as an empty bucket takes to fill. */
function fillingSeconds(ratePerSecond: number, burst: number): number {
  return ratePerSecond === 0 ? 1 : Math.max(1, Math.ceil(burst / ratePerSecond))
}

/** The greatest `Int` of GraphQL, which configuration comes through. Sums of counts stay exact far beyond it. */
const LIMIT_MAX = 2_147_483_647
