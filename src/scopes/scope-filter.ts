import { validationFailed } from '../errors/keyward-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { escapeLikePattern } from '../lib/like-pattern.ts'
import { findLineFault } from '../lib/text-fault.ts'

export interface ScopeFilter {
  readonly search?: string | null | undefined
  readonly category?: string | null | undefined
  readonly active?: boolean | null | undefined
}

const SEARCH_CHARACTERS_MAX = 100

/**
 * The condition that a filter stands for. Null and an empty text are no condition, as a search field has them that was cleared.
 * A catalogue is read by its tenant, so that searching inside names goes through one
 * tenant's scopes and no index of its own is needed. Throws VALIDATION_FAILED.
 */
export function scopeFilterWhere({ active, ...texts }: ScopeFilter): Prisma.ScopeWhereInput {
  const [search, category] = [texts.search?.trim(), texts.category]
  const issues = Object.entries({ search, category }).flatMap(([field, text]) => {
    const fault = !text ? null : findLineFault(text, SEARCH_CHARACTERS_MAX)
    return fault === null ? [] : [{ path: ['where', field], detail: fault }]
  })
  if (issues.length > 0) throw validationFailed(issues)
  return {
    ...(search && { OR: [{ name: containing(search) }, { description: containing(search) }] }),
    ...(category && { category }),
    ...(active != null && { active }),
  }
}

function containing(text: string): Prisma.StringNullableFilter & Prisma.StringFilter {
  return { contains: escapeLikePattern(text), mode: 'insensitive' }
}
