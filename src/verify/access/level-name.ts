import type { ConfigSource } from '../../configs/effective-config.ts'

const levelNames: Readonly<Record<ConfigSource, string>> = {
  KEY: "the key's",
  TENANT: "the tenant's",
  SYSTEM: "the system's",
}

/** Whose rule it is, for the sentence of a denial: "the tenant's". */
export function levelName(source: ConfigSource): string {
  return levelNames[source]
}
