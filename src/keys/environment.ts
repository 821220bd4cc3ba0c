/** Where a key is meant to be used. The tag is what stands in the token (see `token.ts`). */
export const ENVIRONMENT_TAGS = {
  PRODUCTION: 'live',
  STAGING: 'stage',
  DEVELOPMENT: 'dev',
  TEST: 'test',
} as const

export type Environment = keyof typeof ENVIRONMENT_TAGS

export const ENVIRONMENTS: readonly Environment[] = ['PRODUCTION', 'STAGING', 'DEVELOPMENT', 'TEST']

const environmentsByTag: ReadonlyMap<string, Environment> = new Map(
  ENVIRONMENTS.map((environment) => [ENVIRONMENT_TAGS[environment], environment]),
)

/** The environment that a token's tag names, or null when no environment has that tag. */
export function findEnvironmentByTag(tag: string): Environment | null {
  return environmentsByTag.get(tag) ?? null
}

export function isEnvironment(value: unknown): value is Environment {
  return typeof value === 'string' && Object.hasOwn(ENVIRONMENT_TAGS, value)
}
