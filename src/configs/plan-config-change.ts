import { isDeepStrictEqual } from 'node:util'
import { type InputIssue, validationFailed } from '../errors/keyward-error.ts'
import { applyConfigChange } from './apply-config-change.ts'
import type { ConfigSource, TenantConfig } from './effective-config.ts'
import { normalizeConfig } from './normalize-config.ts'
import { validateConfig } from './validate-config.ts'

export type JsonConfig = { readonly [field: string]: JsonValue }
type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue }

export interface ConfigChange {
  /** What is to be stored. */
  readonly config: JsonConfig
  /** Names of the fields that change; none when the config says all of it already. */
  readonly fields: readonly string[]
  /** The fields that change, as they were and as they will be; a field that is inherited is missing. */
  readonly before: JsonConfig
  readonly after: JsonConfig
}

/** Every fault of a change that can be seen without the stored config. `path` is where the change stands in the input. */
export function findConfigIssues(
  level: ConfigSource,
  change: unknown,
  path: InputIssue['path'] = ['input'],
): readonly InputIssue[] {
  return validateConfig(level, change).map((issue) => ({ ...issue, path: [...path, ...issue.path] }))
}

/**
 * What a set mutation makes of a stored config. Throws VALIDATION_FAILED when fields that are right each do not fit
 * together, which can be known only here.
 */
export function planConfigChange<Config extends TenantConfig>(
  level: ConfigSource,
  current: Config,
  change: Config,
  path: InputIssue['path'] = ['input'],
): ConfigChange {
  const stored = toJson(current)
  const config = toJson(normalizeConfig(applyConfigChange(current, change)))
  const issues = findConfigIssues(level, config, path)
  if (issues.length > 0) throw validationFailed(issues)
  const names = new Set([...Object.keys(stored), ...Object.keys(config)])
  const fields = [...names].filter((name) => !isDeepStrictEqual(stored[name], config[name])).sort()
  return { config, fields, before: pick(stored, fields), after: pick(config, fields) }
}

/** Plain JSON, whatever made the objects: what parsers of inputs make has no prototype and would equal nothing. */
function toJson(config: TenantConfig): JsonConfig {
  return JSON.parse(JSON.stringify(config))
}

function pick(config: JsonConfig, fields: readonly string[]): JsonConfig {
  return Object.fromEntries(Object.entries(config).filter(([name]) => fields.includes(name)))
}
