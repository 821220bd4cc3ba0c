import { type EffectiveConfig, mergeConfig, type SystemConfig } from '../../configs/effective-config.ts'
import { createLru, type LruEntry } from '../../lib/lru.ts'
import { type AccessRuleIssue, type AccessRules, compileAccessRules } from '../access/access-rules.ts'
import { type LimitPlan, prepareLimits } from '../limits/limit-plan.ts'
import type { KeyRecord } from '../ports.ts'

/** What the configuration of a key comes to, ready to be asked. Null where nothing is restricted. */
export interface ConfigRules {
  readonly access: AccessRules | null
  readonly limits: LimitPlan | null
}

export type CompileConfigRules = (record: KeyRecord) => ConfigRules

export interface ConfigRulesDeps {
  readonly system: SystemConfig
  /** Told of entries that could not be read and therefore restrict instead of allowing. */
  readonly onIssues?: (record: KeyRecord, issues: readonly AccessRuleIssue[]) => void
}

/** The keys of a tenant mostly have one of a few configurations, and a long list of addresses takes long to compile. */
const SHARED_MAX = 10_000

interface SharedRules extends LruEntry {
  readonly rules: ConfigRules
}

/** Merges key over tenant over system and compiles what comes out, once for each different configuration. */
export function createConfigRulesCompiler({ system, onIssues = () => {} }: ConfigRulesDeps): CompileConfigRules {
  const shared = createLru<string, SharedRules>({ entriesMax: SHARED_MAX })

  return (record) => {
    const { config, tenantConfig, timeZone, hasCredits } = record
    const content = JSON.stringify([config, tenantConfig, timeZone, hasCredits])
    const known = shared.get(content)
    if (known !== undefined) return known.rules

    const effective = mergeConfig(config, tenantConfig, system)
    const { rules: access, issues } = compileAccessRules(effective)
    if (issues.length > 0) onIssues(record, issues)
    const rules: ConfigRules = {
      access: Object.values(access).some((rule) => rule !== undefined) ? access : null,
      limits: prepareLimits({
        key: limitValues(effective),
        tenant: limitValues(effective.aggregate),
        zone: timeZone,
        hasCredits,
      }),
    }
    shared.set(content, { rules, usedLately: false })
    return rules
  }
}

function limitValues(limits: EffectiveConfig['aggregate']) {
  const { perSecond, perMinute, perHour, perDay, perMonth, warningPercent } = limits
  return {
    perSecond: perSecond.value,
    perMinute: perMinute.value,
    perHour: perHour.value,
    perDay: perDay.value,
    perMonth: perMonth.value,
    warningPercent: warningPercent.value,
  }
}
