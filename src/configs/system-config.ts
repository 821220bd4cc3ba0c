import type { SystemConfig } from './effective-config.ts'

/** What the operator sets for all tenants: nothing, so that what no tenant sets is unlimited and open. */
export const DEFAULT_SYSTEM_CONFIG: SystemConfig = {}
