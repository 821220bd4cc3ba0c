/**
 * The scopes that a key holds, compiled so that a check costs a few Set lookups and never a walk over what is held.
 *
 * What holding means:
 * - A name grants itself.
 * - `a:b:*` grants every name that starts with `a:b:` and goes on with at least one more segment. The boundary is the
 *   colon: `a:b:*` grants neither `a:b` nor `a:bc:d`.
 * - Asking for a wildcard asks for everything below it, so `a:b:*` is granted by `a:b:*` itself or by a broader `a:*`, and
 *   never by holding all names that happen to exist below it: a name added tomorrow would otherwise be covered unasked.
 * - An inactive scope is granted to nobody, neither by its own name nor through a wildcard; an inactive wildcard grants
 *   nothing. Inactive means that exact name: switching `a:b:*` off leaves `a:b:read` as it is, for those who hold it or `a:*`.
 */

import { isScopeName, wildcardPrefixOf } from './scope-name.ts'

export type ScopeSet = {
  /**
   * Whether this set grants the name. A text that is no scope name is granted by nothing. Costs one lookup per segment
   * of the name, whatever the number of scopes held.
   */
  grants(name: string): boolean
}

/**
 * Compiles what a key holds. Names outside the grammar are left out: they can grant nothing.
 *
 * @param held the key's scopes, wildcards included.
 * @param inactive the names that the tenant's catalogue has switched off.
 */
export function compileScopeSet(held: Iterable<string>, inactive: Iterable<string> = []): ScopeSet {
  const inactiveNames = new Set(inactive)
  const names = new Set<string>()
  const wildcardPrefixes = new Set<string>()
  for (const name of held) {
    if (inactiveNames.has(name) || !isScopeName(name)) continue
    names.add(name)
    const prefix = wildcardPrefixOf(name)
    if (prefix !== undefined) wildcardPrefixes.add(prefix)
  }

  function grants(name: string): boolean {
    if (names.has(name)) return true
    if (wildcardPrefixes.size === 0 || inactiveNames.has(name)) return false
    return hasCoveringWildcard(name) && isScopeName(name)
  }

  function hasCoveringWildcard(name: string): boolean {
    let boundary = name.indexOf(':')
    while (boundary !== -1) {
      if (wildcardPrefixes.has(name.slice(0, boundary + 1))) return true
      boundary = name.indexOf(':', boundary + 1)
    }
    return false
  }

  return { grants }
}

/** The asked names that the set does not grant, in the order asked, each once. Empty when all are granted. */
export function findMissingScopes(set: ScopeSet, asked: readonly string[]): string[] {
  const missing: string[] = []
  for (const name of asked) {
    if (!set.grants(name) && !missing.includes(name)) missing.push(name)
  }
  return missing
}

/** The names that grant a name to who holds them: itself, and every wildcard over it. Meant for valid names. */
export function listGrantingNames(name: string): string[] {
  const names = [name]
  for (let boundary = name.indexOf(':'); boundary !== -1; boundary = name.indexOf(':', boundary + 1)) {
    const wildcard = `${name.slice(0, boundary)}:*`
    if (wildcard !== name) names.push(wildcard)
  }
  return names
}
