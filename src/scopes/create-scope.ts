import { defineTenantCommand } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { type InputIssue, KeywardError } from '../errors/keyward-error.ts'
import type { Scope } from '../generated/prisma/client.ts'
import { findLineFault, findProseFault } from '../lib/text-fault.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { parseScopeName, RESERVED_SCOPE_PREFIX } from './scope-name.ts'

const DESCRIPTION_CHARACTERS_MAX = 1000
const CATEGORY_CHARACTERS_MAX = 100

export interface ScopeInput {
  readonly tenantId: string
  readonly name: string
  readonly description?: string | null | undefined
  readonly category?: string | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

/** Every fault of a scope's description. */
function validateScope({ name, description, category }: ScopeInput): readonly InputIssue[] {
  const issues: InputIssue[] = []
  const parsed = parseScopeName(name)
  if (!parsed.ok) {
    issues.push({ path: ['input', 'name'], detail: `${parsed.detail} (column ${parsed.column})` })
  } else if (parsed.reserved) {
    issues.push({
      path: ['input', 'name'],
      detail: `\`${RESERVED_SCOPE_PREFIX}\` is reserved for management permissions`,
    })
  }
  const descriptionFault = description == null ? null : findProseFault(description, DESCRIPTION_CHARACTERS_MAX)
  if (descriptionFault !== null) issues.push({ path: ['input', 'description'], detail: descriptionFault })
  const categoryFault = category == null ? null : findLineFault(category, CATEGORY_CHARACTERS_MAX)
  if (categoryFault !== null) issues.push({ path: ['input', 'category'], detail: categoryFault })
  return issues
}

/** Add a scope to a tenant's catalogue. */
export const createScope = defineTenantCommand<ScopeInput, Scope>({
  name: 'create-scope',
  permission: 'scopes:write',
  tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
  validate: validateScope,
  idempotency: {
    typename: 'Scope',
    keyOf: ({ idempotencyKey }) => idempotencyKey,
    remember: ({ id }) => ({ id, secrets: null }),
    recall: (tx, { id }) => tx.scope.findUnique({ where: { id } }),
  },
  async execute({ tx, now, newId, tenantId }, input) {
    const { name, description = null, category = null } = input
    const scope = await tx.scope
      .create({ data: { id: newId(), tenantId, name, description, category, createdAt: now, updatedAt: now } })
      .catch((error: unknown) => {
        if (!isUniqueViolation(error)) throw error
        throw new KeywardError('CONFLICT', `The catalogue has a scope \`${name}\` already.`, {
          issues: [{ path: ['input', 'name'], detail: 'is taken' }],
        })
      })
    return {
      value: scope,
      audit: [
        {
          tenantId,
          action: 'scope.created',
          outcome: 'SUCCESS',
          resource: { type: 'Scope', id: formatPublicId('Scope', scope.id) },
          detail: { after: { name, description, category, active: scope.active } },
        },
      ],
      events: [],
      invalidate: [],
    }
  },
})
