/**
 * The check of a configuration before it is stored, for mutations, imports and the operator's settings alike: it takes
 * anything, and answers with an issue for each field, or entry of a list, that cannot be accepted.
 *
 * Bounds that are not a matter of syntax:
 *
 * | field                              | accepted                                                                        |
 * |------------------------------------|---------------------------------------------------------------------------------|
 * | perMinute perHour perDay perMonth  | whole numbers from -1 to 2^31 - 1                                               |
 * | warningPercent                     | 1 to 100, or -1 for no warning                                                  |
 * | perSecond                          | rate -1, 0, or 0.001 and more; burst 1 to 2^31 - 1 when the rate is above 0     |
 * | ipAllowlist, ipDenylist            | 1000 entries each                                                               |
 * | userAgents                         | 100 patterns of 256 characters                                                  |
 * | methods                            | 32                                                                              |
 * | paths                              | 200 patterns of 512 characters and 32 segments                                  |
 * | timeWindows                        | 100                                                                             |
 * | corsOrigins                        | 200 of 300 characters                                                           |
 * | rotation                           | every 1 to 3650 days or -1 for never; grace 0 to 30 days and below the interval |
 * | keyTtlDaysDefault, keyTtlDaysMax   | 1 to 36500 days, or -1 for no limit; the default within the maximum             |
 * | leakPolicy                         | ALERT, DISABLE or REVOKE                                                        |
 */

import { parseIpRange } from '../verify/access/ip-range.ts'
import { IP_LIST_ENTRIES_MAX } from '../verify/access/ip-rules.ts'
import { CORS_ORIGINS_MAX, parseOriginEntry } from '../verify/access/origin-rules.ts'
import { METHODS_MAX, PATH_PATTERNS_MAX, parseMethod, parsePathPattern } from '../verify/access/path-patterns.ts'
import { type RuleEntry, readEntries, refuseEntry } from '../verify/access/rule-entry.ts'
import { parseTimeWindow, TIME_WINDOWS_MAX } from '../verify/access/time-windows.ts'
import { parseUserAgentPattern, USER_AGENT_PATTERNS_MAX } from '../verify/access/user-agent-patterns.ts'
import type { ConfigSource, TimeWindow } from './effective-config.ts'

export type ConfigIssue = {
  /** From the config down: `['timeWindows', 2, 'timeZone']`. */
  readonly path: readonly (string | number)[]
  readonly detail: string
}

/** More than anyone reads at once; the rest show up when these are corrected. */
export const CONFIG_ISSUES_MAX = 100

const INTEGER_MAX = 2 ** 31 - 1
/** One request in a thousand seconds. Slower rates are what hours, days and months are for, and 1e-300 would never refill. */
const RATE_PER_SECOND_MIN = 0.001
const ROTATION_DAYS_MAX = 3650
const DAY_SECONDS = 86_400
const GRACE_SECONDS_MAX = 30 * DAY_SECONDS
/** A century. */
export const KEY_TTL_DAYS_MAX = 36_500

const TIME_WINDOW_FIELDS = ['days', 'start', 'end', 'timeZone']
const NO_SUCH_FIELD = 'There is no such field.'

type Path = ConfigIssue['path']
type Check = (value: unknown, path: Path) => readonly ConfigIssue[]
type Checks = Readonly<Record<string, Check>>

const limitChecks: Checks = {
  perSecond: checkBurst,
  perMinute: checkLimit,
  perHour: checkLimit,
  perDay: checkLimit,
  perMonth: checkLimit,
  warningPercent: checkWarningPercent,
}

const keyChecks: Checks = {
  ...limitChecks,
  ipAllowlist: listOf(IP_LIST_ENTRIES_MAX, ofText(parseIpRange)),
  ipDenylist: listOf(IP_LIST_ENTRIES_MAX, ofText(parseIpRange)),
  userAgents: listOf(USER_AGENT_PATTERNS_MAX, ofText(parseUserAgentPattern)),
  methods: listOf(METHODS_MAX, ofText(parseMethod)),
  paths: listOf(PATH_PATTERNS_MAX, ofText(parsePathPattern)),
  timeWindows: listOf(TIME_WINDOWS_MAX, readTimeWindow),
  corsOrigins: listOf(CORS_ORIGINS_MAX, ofText(parseOriginEntry)),
  rotation: checkRotation,
}

const tenantChecks: Checks = {
  ...keyChecks,
  keyTtlDaysDefault: checkTtlDays,
  keyTtlDaysMax: checkTtlDays,
  leakPolicy: checkLeakPolicy,
  aggregate: (value, path) => checkFields(limitChecks, value, path),
}

/**
 * Everything that is wrong with a config of that level, at most 100 issues; empty when it may be stored. Any field
 * of the level may be null or absent. Rules between two fields see only what is given: check the config as it will be stored.
 */
export function validateConfig(level: ConfigSource, config: unknown): readonly ConfigIssue[] {
  const issues = checkFields(level === 'KEY' ? keyChecks : tenantChecks, config, [])
  return [...issues, ...checkTtlDefault(config)].slice(0, CONFIG_ISSUES_MAX)
}

function checkFields(checks: Checks, value: unknown, path: Path): readonly ConfigIssue[] {
  if (!isRecord(value)) return issueAt(path, 'Expected an object.')
  return Object.entries(value).flatMap(([name, field]) => {
    if (field === undefined) return []
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (check === undefined) return issueAt([...path, name], NO_SUCH_FIELD)
    return field === null ? [] : check(field, [...path, name])
  })
}

function checkLimit(value: unknown, path: Path): readonly ConfigIssue[] {
  if (isIntegerWithin(value, -1, INTEGER_MAX)) return []
  return issueAt(path, `Expected a whole number from 0 to ${INTEGER_MAX}, or -1 for unlimited.`)
}

function checkWarningPercent(value: unknown, path: Path): readonly ConfigIssue[] {
  if (value === -1 || isIntegerWithin(value, 1, 100)) return []
  return issueAt(path, 'Expected a whole number from 1 to 100, or -1 for no warning.')
}

function checkBurst(value: unknown, path: Path): readonly ConfigIssue[] {
  if (!isRecord(value)) return issueAt(path, 'Expected ratePerSecond and burst.')
  const strange = findStrangeFields(value, ['ratePerSecond', 'burst'], path)
  if (strange.length > 0) return strange
  const { ratePerSecond, burst } = value
  const isSpecialRate = ratePerSecond === -1 || ratePerSecond === 0
  const isRate = isSpecialRate || isNumberWithin(ratePerSecond, RATE_PER_SECOND_MIN, INTEGER_MAX)
  if (!isRate) {
    const accepted = `from ${RATE_PER_SECOND_MIN} to ${INTEGER_MAX}, 0 to block, or -1 for unlimited`
    return issueAt([...path, 'ratePerSecond'], `Expected a number ${accepted}.`)
  }
  // Beside an unlimited or a blocking rate the burst means nothing, so any is accepted.
  if (isIntegerWithin(burst, isSpecialRate ? -1 : 1, INTEGER_MAX)) return []
  return issueAt([...path, 'burst'], `Expected a whole number from 1 to ${INTEGER_MAX}: no request fits into less.`)
}

function checkRotation(value: unknown, path: Path): readonly ConfigIssue[] {
  if (!isRecord(value)) return issueAt(path, 'Expected everyDays, gracePeriodSeconds and mode.')
  const { everyDays, gracePeriodSeconds, mode } = value
  const isInterval = isIntegerWithin(everyDays, 1, ROTATION_DAYS_MAX)
  const isGrace = isIntegerWithin(gracePeriodSeconds, 0, GRACE_SECONDS_MAX)
  const issues = [...findStrangeFields(value, ['everyDays', 'gracePeriodSeconds', 'mode'], path)]
  const refuse = (field: string, detail: string) => issues.push({ path: [...path, field], detail })
  if (!isInterval && everyDays !== -1) {
    refuse('everyDays', `Expected a whole number from 1 to ${ROTATION_DAYS_MAX}, or -1 for never.`)
  }
  if (!isGrace) {
    refuse('gracePeriodSeconds', `Expected whole seconds from 0 to ${GRACE_SECONDS_MAX} (30 days).`)
  }
  if (isInterval && isGrace && gracePeriodSeconds >= everyDays * DAY_SECONDS) {
    refuse('gracePeriodSeconds', 'The grace period must end before the next rotation is due.')
  }
  if (mode !== 'NOTIFY' && mode !== 'ENFORCE' && mode !== 'DELIVER') {
    refuse('mode', 'Expected NOTIFY, ENFORCE or DELIVER.')
  }
  return issues
}

function checkTtlDays(value: unknown, path: Path): readonly ConfigIssue[] {
  if (value === -1 || isIntegerWithin(value, 1, KEY_TTL_DAYS_MAX)) return []
  return issueAt(
    path,
    `Expected whole days from 1 to ${KEY_TTL_DAYS_MAX}, or -1 for no limit. Keys of 0 days would be born expired.`,
  )
}

function checkLeakPolicy(value: unknown, path: Path): readonly ConfigIssue[] {
  if (value === 'ALERT' || value === 'DISABLE' || value === 'REVOKE') return []
  return issueAt(path, 'Expected ALERT, DISABLE or REVOKE.')
}

function checkTtlDefault(config: unknown): readonly ConfigIssue[] {
  if (!isRecord(config)) return []
  const { keyTtlDaysDefault: standard, keyTtlDaysMax: maximum } = config
  if (typeof standard !== 'number' || typeof maximum !== 'number' || maximum === -1) return []
  if (standard !== -1 && standard <= maximum) return []
  return issueAt(['keyTtlDaysDefault'], 'The default must not exceed keyTtlDaysMax.')
}

function listOf(entriesMax: number, parseEntry: (entry: unknown) => RuleEntry<unknown>): Check {
  return (value, path) => {
    if (!Array.isArray(value)) return issueAt(path, 'Expected a list.')
    if (value.length > entriesMax)
      return issueAt(path, `The list has ${value.length} entries, at most ${entriesMax} are accepted.`)
    const { issues } = readEntries<unknown, unknown>(value, parseEntry)
    return issues.map(({ index, field, detail }) => ({
      path: field === undefined ? [...path, index] : [...path, index, field],
      detail,
    }))
  }
}

function ofText(parseEntry: (entry: string) => RuleEntry<unknown>): (entry: unknown) => RuleEntry<unknown> {
  return (entry) => {
    if (typeof entry !== 'string') return refuseEntry('Expected a text.')
    // The database can keep neither.
    if (!entry.isWellFormed() || entry.includes('\u0000')) {
      return refuseEntry('Expected a text without NUL characters and halves of characters.')
    }
    return parseEntry(entry)
  }
}

function readTimeWindow(entry: unknown): RuleEntry<unknown> {
  if (!isTimeWindowShaped(entry)) return refuseEntry('Expected days, start, end and timeZone.')
  const strange = Object.keys(entry).find((field) => !TIME_WINDOW_FIELDS.includes(field))
  return strange === undefined ? parseTimeWindow(entry) : refuseEntry(NO_SUCH_FIELD, strange)
}

/** The shape alone; the days' names and the rest are the parser's to judge, which takes any text. */
function isTimeWindowShaped(value: unknown): value is TimeWindow {
  if (!isRecord(value)) return false
  const { days, start, end, timeZone } = value
  return Array.isArray(days) && typeof start === 'string' && typeof end === 'string' && typeof timeZone === 'string'
}

/** A misspelt field must not be lost in silence. */
function findStrangeFields(value: object, names: readonly string[], path: Path): readonly ConfigIssue[] {
  return Object.keys(value)
    .filter((name) => !names.includes(name))
    .flatMap((name) => issueAt([...path, name], NO_SUCH_FIELD))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNumberWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && value >= min && value <= max
}

function isIntegerWithin(value: unknown, min: number, max: number): value is number {
  return isNumberWithin(value, min, max) && Number.isInteger(value)
}

function issueAt(path: Path, detail: string): readonly ConfigIssue[] {
  return [{ path, detail }]
}
