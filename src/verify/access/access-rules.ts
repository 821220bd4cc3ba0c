/**
 * The access rules of a key, compiled once when its snapshot is filled and evaluated on every request: IP, user agent, origin,
 * method and path, time. They are checked in that order, which is the order of precedence of their codes, and the first that
 * denies decides. A rule that is not set costs the check of one undefined. A rule whose input is missing denies, but for
 * the origin (see origin-rules.ts).
 *
 * Compilation never fails. What cannot be read makes the rule stricter, not looser (see rule-entry.ts), and is reported as an issue
 * for the log, so that one bad entry shuts out what it should have admitted instead of opening the key or breaking the verification.
 */

import type { ConfigSource, EffectiveConfig } from '../../configs/effective-config.ts'
import { parseIpAddress } from './ip-address.ts'
import { compileIpRules, findIpDenial, type IpRules } from './ip-rules.ts'
import { levelName } from './level-name.ts'
import { allowsOrigin, compileOriginRules, type OriginRules } from './origin-rules.ts'
import {
  allowsMethod,
  compileMethods,
  compilePathPatterns,
  findPathDenial,
  type MethodRules,
  type PathRules,
} from './path-patterns.ts'
import type { EntryIssue } from './rule-entry.ts'
import { compileTimeWindows, isWithinTimeWindows, type TimeWindowRules } from './time-windows.ts'
import { allowsUserAgent, compileUserAgentPatterns, type UserAgentRules } from './user-agent-patterns.ts'

/** The effective values that access depends on, each with the level it came from. */
export type AccessConfig = Pick<
  EffectiveConfig,
  'ipAllowlist' | 'ipDenylist' | 'userAgents' | 'corsOrigins' | 'methods' | 'paths' | 'timeWindows'
>

export type AccessRules = {
  readonly ip: IpRules | undefined
  readonly userAgent: Leveled<UserAgentRules> | undefined
  readonly origin: Leveled<OriginRules> | undefined
  readonly method: Leveled<MethodRules> | undefined
  readonly path: Leveled<PathRules> | undefined
  readonly time: Leveled<TimeWindowRules> | undefined
}

type Leveled<Rules> = { readonly rules: Rules; readonly source: ConfigSource }

/** What the protected service says about its request. Absent means not told. */
export type AccessRequest = {
  readonly ip?: string | undefined
  readonly userAgent?: string | undefined
  readonly origin?: string | undefined
  readonly method?: string | undefined
  readonly path?: string | undefined
}

export type AccessDenialCode =
  | 'IP_DENIED'
  | 'USER_AGENT_DENIED'
  | 'ORIGIN_DENIED'
  | 'ENDPOINT_DENIED'
  | 'OUTSIDE_TIME_WINDOW'

/** `detail` says which rule of which level decided, never what else is in its list. */
export type AccessDenial = { readonly code: AccessDenialCode; readonly detail: string }

export type AccessRuleIssue = {
  readonly list: keyof AccessConfig
  readonly source: ConfigSource
  /** The place in the list of that level. */
  readonly index: number
  readonly detail: string
}

export type CompiledAccessRules = { readonly rules: AccessRules; readonly issues: readonly AccessRuleIssue[] }

/** Compiles the rules. Issues name entries that could not be read, by their place in the list of their level. */
export function compileAccessRules(config: AccessConfig): CompiledAccessRules {
  const ip = compileIpRules(config.ipAllowlist, config.ipDenylist.parts)
  const userAgent = compileUserAgentPatterns(config.userAgents.value)
  const origin = compileOriginRules(config.corsOrigins.value)
  const method = compileMethods(config.methods.value)
  const path = compilePathPatterns(config.paths.value)
  const time = compileTimeWindows(config.timeWindows.value)
  const issuesOf = (list: keyof AccessConfig, issues: readonly EntryIssue[], source = config[list].source) =>
    issues.map(({ index, detail }) => ({ list, source, index, detail }))
  return {
    rules: {
      ip: ip.rules,
      userAgent: withSource(userAgent.rules, config.userAgents.source),
      origin: withSource(origin.rules, config.corsOrigins.source),
      method: withSource(method.rules, config.methods.source),
      path: withSource(path.rules, config.paths.source),
      time: withSource(time.rules, config.timeWindows.source),
    },
    issues: [
      ...issuesOf('ipAllowlist', ip.allowIssues),
      ...ip.denyIssues.flatMap((part) => issuesOf('ipDenylist', part.issues, part.source)),
      ...issuesOf('userAgents', userAgent.issues),
      ...issuesOf('corsOrigins', origin.issues),
      ...issuesOf('methods', method.issues),
      ...issuesOf('paths', path.issues),
      ...issuesOf('timeWindows', time.issues),
    ],
  }
}

/** The first rule that denies, or undefined when the request may pass. Pure; `nowMs` is milliseconds since the epoch. */
export function evaluateAccess(rules: AccessRules, request: AccessRequest, nowMs: number): AccessDenial | undefined {
  return (
    evaluateIp(rules.ip, request.ip) ??
    evaluateUserAgent(rules.userAgent, request.userAgent) ??
    evaluateOrigin(rules.origin, request.origin) ??
    evaluateEndpoint(rules.method, rules.path, request) ??
    evaluateTime(rules.time, nowMs)
  )
}

function evaluateIp(rules: IpRules | undefined, ip: string | undefined): AccessDenial | undefined {
  if (rules === undefined) return undefined
  const detail = findIpDenial(rules, ip === undefined ? undefined : parseIpAddress(ip))
  return detail === undefined ? undefined : { code: 'IP_DENIED', detail }
}

function evaluateUserAgent(
  leveled: Leveled<UserAgentRules> | undefined,
  userAgent: string | undefined,
): AccessDenial | undefined {
  if (leveled === undefined || allowsUserAgent(leveled.rules, userAgent)) return undefined
  const detail =
    userAgent === undefined || userAgent === ''
      ? `The user agent of the request is missing, and ${levelName(leveled.source)} configuration restricts it.`
      : `None of ${levelName(leveled.source)} user-agent patterns covers the user agent.`
  return { code: 'USER_AGENT_DENIED', detail }
}

function evaluateOrigin(
  leveled: Leveled<OriginRules> | undefined,
  origin: string | undefined,
): AccessDenial | undefined {
  if (leveled === undefined || allowsOrigin(leveled.rules, origin)) return undefined
  const detail = `The origin is not among ${levelName(leveled.source)} CORS origins.`
  return { code: 'ORIGIN_DENIED', detail }
}

function evaluateEndpoint(
  method: Leveled<MethodRules> | undefined,
  path: Leveled<PathRules> | undefined,
  request: AccessRequest,
): AccessDenial | undefined {
  if (method !== undefined && !allowsMethod(method.rules, request.method)) {
    const detail =
      request.method === undefined
        ? `The method of the request is missing, and ${levelName(method.source)} configuration restricts it.`
        : `The method is not among ${levelName(method.source)} allowed methods.`
    return { code: 'ENDPOINT_DENIED', detail }
  }
  if (path === undefined) return undefined
  const reason = findPathDenial(path.rules, request.path)
  if (reason === undefined) return undefined
  return { code: 'ENDPOINT_DENIED', detail: `${reason} Decided by ${levelName(path.source)} path patterns.` }
}

function evaluateTime(leveled: Leveled<TimeWindowRules> | undefined, nowMs: number): AccessDenial | undefined {
  if (leveled === undefined || isWithinTimeWindows(leveled.rules, nowMs)) return undefined
  return { code: 'OUTSIDE_TIME_WINDOW', detail: `None of ${levelName(leveled.source)} time windows is open now.` }
}

function withSource<Rules>(rules: Rules | undefined, source: ConfigSource): Leveled<Rules> | undefined {
  return rules === undefined ? undefined : { rules, source }
}
