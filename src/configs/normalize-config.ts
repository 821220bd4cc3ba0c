import { parseIpRange } from '../verify/access/ip-range.ts'
import { parseOriginEntry } from '../verify/access/origin-rules.ts'
import { parseMethod } from '../verify/access/path-patterns.ts'
import type { RuleEntry } from '../verify/access/rule-entry.ts'
import { findZoneOffset } from '../verify/access/zone-offset.ts'
import type { TenantConfig } from './effective-config.ts'

/**
 * A config as it is stored and shown: CIDR blocks with their host bits cleared (`10.1.2.3/8` becomes `10.0.0.0/8`), methods in
 * upper case, origins and time zones in their canonical spelling, no entry twice. People see what a rule means, and equal
 * rules are equal texts. Meant for configs that passed validateConfig; what cannot be read stays as it is. Idempotent.
 */
export function normalizeConfig<Config extends TenantConfig>(config: Config): Config {
  const { ipAllowlist, ipDenylist, methods, corsOrigins, timeWindows } = config
  return {
    ...config,
    ...(ipAllowlist ? { ipAllowlist: canonicalList(ipAllowlist, canonicalIpRange) } : {}),
    ...(ipDenylist ? { ipDenylist: canonicalList(ipDenylist, canonicalIpRange) } : {}),
    ...(methods ? { methods: canonicalList(methods, (text) => canonicalText(text, parseMethod(text))) } : {}),
    ...(corsOrigins
      ? { corsOrigins: canonicalList(corsOrigins, (text) => canonicalText(text, parseOriginEntry(text))) }
      : {}),
    ...(timeWindows
      ? {
          timeWindows: timeWindows.map((window) => ({
            ...window,
            timeZone: findZoneOffset(window.timeZone)?.timeZone ?? window.timeZone,
          })),
        }
      : {}),
  }
}

function canonicalList(entries: readonly string[], canonicalEntry: (text: string) => string): readonly string[] {
  return [...new Set(entries.map(canonicalEntry))]
}

function canonicalIpRange(text: string): string {
  const range = parseIpRange(text)
  return range.ok ? range.value.text : text
}

function canonicalText(text: string, parsed: RuleEntry<string>): string {
  return parsed.ok ? parsed.value : text
}
