import type { SystemConfig } from './effective-config.ts'
import { normalizeConfig } from './normalize-config.ts'
import { validateConfig } from './validate-config.ts'

export type SystemConfigReading =
  | { readonly ok: true; readonly config: SystemConfig }
  | { readonly ok: false; readonly faults: readonly string[] }

/**
 * Reads what the operator sets for all tenants: JSON with the fields of a tenant's configuration. Nothing at all is `{}`, so
 * that what no tenant sets is unlimited and open.
 */
export function parseSystemConfig(text = '{}'): SystemConfigReading {
  let config: SystemConfig
  try {
    config = JSON.parse(text)
  } catch {
    return { ok: false, faults: ['must be JSON, such as {"perMinute": 100}'] }
  }
  const issues = validateConfig('SYSTEM', config)
  if (issues.length === 0) return { ok: true, config: normalizeConfig(config) }
  return {
    ok: false,
    faults: issues.map(({ path, detail }) => (path.length === 0 ? detail : `has at ${path.join('.')}: ${detail}`)),
  }
}
