import type { InputIssue } from '../errors/keyward-error.ts'
import { findLineFault, findProseFault } from '../lib/text-fault.ts'
import { parseScopeName, RESERVED_SCOPE_PREFIX } from './scope-name.ts'

const DESCRIPTION_CHARACTERS_MAX = 1000
const CATEGORY_CHARACTERS_MAX = 100

/**
 * Scopes of one tenant: more than the largest API makes twice. More would be a catalogue that nobody can look through, and all
 * of it that is switched off is read with each key that is verified cold.
 */
export const CATALOGUE_SCOPES_MAX = 50_000

/** What people say of a scope. */
export interface ScopeDescription {
  readonly description?: string | null | undefined
  readonly category?: string | null | undefined
}

export interface ScopeFields extends ScopeDescription {
  readonly name: string
}

type Path = InputIssue['path']

/** Every fault of a scope that a catalogue is to hold. `path` is where it stands in the input. */
export function validateScope(scope: ScopeFields, path: Path = ['input']): readonly InputIssue[] {
  const nameFault = findScopeNameFault(scope.name)
  return [
    ...(nameFault === null ? [] : [{ path: [...path, 'name'], detail: nameFault }]),
    ...validateDescription(scope, path),
  ]
}

/** Every fault of what is said of a scope. */
export function validateDescription({ description, category }: ScopeDescription, path: Path): readonly InputIssue[] {
  const issues: InputIssue[] = []
  const descriptionFault = description == null ? null : findProseFault(description, DESCRIPTION_CHARACTERS_MAX)
  if (descriptionFault !== null) issues.push({ path: [...path, 'description'], detail: descriptionFault })
  const categoryFault = category == null ? null : findLineFault(category, CATEGORY_CHARACTERS_MAX)
  if (categoryFault !== null) issues.push({ path: [...path, 'category'], detail: categoryFault })
  return issues
}

/** Why a catalogue cannot hold the name; null when it can. */
export function findScopeNameFault(name: string): string | null {
  const parsed = parseScopeName(name)
  if (!parsed.ok) return `${parsed.detail} (column ${parsed.column})`
  return parsed.reserved ? `\`${RESERVED_SCOPE_PREFIX}\` is reserved for management permissions` : null
}
