import type { InputIssue } from '../errors/keyward-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { escapeLikePattern } from '../lib/like-pattern.ts'
import { findLineFault, normalizeName } from '../lib/text-fault.ts'
import { isScopeName } from '../scopes/scope-name.ts'
import { listGrantingNames } from '../scopes/scope-set.ts'
import type { Environment } from './environment.ts'
import { KEY_OWNER_ID_CHARACTERS_MAX } from './key-rules.ts'
import type { ApiKeyStatus } from './key-status.ts'

/** Which keys of a tenant a list holds. What is absent or null restricts nothing, nor does an empty list or text. */
export interface KeyFilter {
  readonly search?: string | null | undefined
  readonly ownerId?: string | null | undefined
  readonly environment?: readonly Environment[] | null | undefined
  readonly status?: readonly ApiKeyStatus[] | null | undefined
  readonly scope?: string | null | undefined
  readonly createdAfter?: Date | null | undefined
  readonly createdBefore?: Date | null | undefined
  readonly usedBefore?: Date | null | undefined
  readonly expiringBefore?: Date | null | undefined
}

/** As long as the longest text that is searched. */
export const KEY_SEARCH_CHARACTERS_MAX = 200

const TIME_FIELDS = ['createdAfter', 'createdBefore', 'usedBefore', 'expiringBefore'] as const

/** Every fault of a filter. */
export function validateKeyFilter(filter: KeyFilter): readonly InputIssue[] {
  const { search, ownerId, scope } = filter
  const faults: [field: string, fault: string | null][] = [
    ['search', search ? findLineFault(search.trim() || 'x', KEY_SEARCH_CHARACTERS_MAX) : null],
    ['ownerId', ownerId ? findLineFault(ownerId, KEY_OWNER_ID_CHARACTERS_MAX) : null],
    ['scope', scope && !isScopeName(scope) ? 'is not a scope name such as `orders:read` or `orders:*`' : null],
    ...TIME_FIELDS.map((field): [string, string | null] => [field, findTimeFault(filter[field])]),
  ]
  return faults.flatMap(([field, detail]) => (detail === null ? [] : [{ path: ['where', field], detail }]))
}

/** The years that are written in four digits are those that the database can be asked about. */
function findTimeFault(time: Date | null | undefined): string | null {
  if (time == null) return null
  const year = time.getUTCFullYear()
  return year >= 1 && year <= 9999 ? null : 'must lie in the years 1 to 9999'
}

/**
 * The filter as a condition on the table of keys. `tenantId` and `now` are part of it: each of the tenant's own indexes
 * begins with the tenant, and a status is what the key's times say at a moment.
 */
export function toKeyCondition(filter: KeyFilter, tenantId: string, now: Date): Prisma.ApiKeyWhereInput {
  const { ownerId, environment, status, scope, createdAfter, createdBefore, usedBefore, expiringBefore } = filter
  const search = filter.search?.trim()
  return {
    tenantId,
    AND: [
      search ? searchCondition(search, tenantId) : {},
      ownerId ? { ownerId } : {},
      environment?.length ? { environment: { in: [...new Set(environment)] } } : {},
      status?.length ? { OR: [...new Set(status)].map((one) => statusCondition(one, now)) } : {},
      scope ? { scopes: { hasSome: listGrantingNames(scope) } } : {},
      createdAfter ? { createdAt: { gte: createdAfter } } : {},
      createdBefore ? { createdAt: { lt: createdBefore } } : {},
      usedBefore ? { usage: { lastUsedAt: { lt: usedBefore } } } : {},
      expiringBefore ? { expiresAt: { lt: expiringBefore } } : {},
    ],
  }
}

/** What `deriveKeyStatus` says, as a condition. */
function statusCondition(status: ApiKeyStatus, now: Date): Prisma.ApiKeyWhereInput {
  switch (status) {
    case 'REVOKED':
      return { revokedAt: { not: null } }
    case 'DISABLED':
      return { revokedAt: null, disabledAt: { not: null } }
    case 'EXPIRED':
      return { revokedAt: null, disabledAt: null, expiresAt: { lte: now } }
    case 'ACTIVE':
      return { revokedAt: null, disabledAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] }
  }
}

/**
 * Names are stored in their composed form, whatever form they are searched in; an `ownerId` as it came. The tenant is named
 * again among the secrets, or those of all tenants would be looked through.
 */
function searchCondition(search: string, tenantId: string): Prisma.ApiKeyWhereInput {
  const name = { contains: escapeLikePattern(normalizeName(search)), mode: 'insensitive' } as const
  const contains = { contains: escapeLikePattern(search), mode: 'insensitive' } as const
  return { OR: [{ name }, { ownerId: contains }, { secrets: { some: { tenantId, start: contains } } }] }
}
