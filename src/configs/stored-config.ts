import type { KeyConfig, TenantConfig } from './effective-config.ts'

/**
 * A config as its row holds it. Configs are written by commands alone, validated and normalized, and the database keeps
 * JSON as it was written: the shape is taken for granted here and nowhere else.
 */
export function readTenantConfig(stored: unknown): TenantConfig {
  return stored as TenantConfig
}

/** See `readTenantConfig`. */
export function readKeyConfig(stored: unknown): KeyConfig {
  return stored as KeyConfig
}
