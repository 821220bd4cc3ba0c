import type { LimitSettings, TenantConfig } from './effective-config.ts'

/**
 * A stored config after a set mutation: a field that the change leaves out is unchanged, null takes the stored one away (so
 * that it is inherited), anything else replaces it whole. `aggregate` alone is a group of fields: the same rule applies inside it.
 *
 * Works for keys as well as tenants. The result holds no null and no undefined, so equal configs are equal as JSON.
 */
export function applyConfigChange<Config extends TenantConfig>(current: Config, change: Config): Config {
  const aggregate =
    change.aggregate === null || change.aggregate === undefined
      ? change.aggregate
      : applyFields<LimitSettings>(current.aggregate ?? {}, change.aggregate)
  return applyFields(current, { ...change, ...(aggregate === undefined ? {} : { aggregate }) })
}

function applyFields<Fields extends object>(current: Fields, change: Fields): Fields {
  const merged = { ...current }
  for (const name in change) {
    if (change[name] !== undefined) merged[name] = change[name]
  }
  for (const name in merged) {
    if (merged[name] === null || merged[name] === undefined) delete merged[name]
  }
  return merged
}
