import { defineTenantCommand } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Scope } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { type ScopeFields, validateScope } from './scope-rules.ts'
import { catalogueFull, countRoom } from './scope-store.ts'

export interface ScopeInput extends ScopeFields {
  readonly tenantId: string
  readonly idempotencyKey?: string | null | undefined
}

/** Add a scope to a tenant's catalogue. */
export const createScope = defineTenantCommand<ScopeInput, Scope>({
  name: 'create-scope',
  permission: 'scopes:write',
  tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
  validate: (input) => validateScope(input),
  idempotency: {
    typename: 'Scope',
    keyOf: ({ idempotencyKey }) => idempotencyKey,
    remember: ({ id }) => ({ id, secrets: null }),
    recall: (tx, { id }) => tx.scope.findUnique({ where: { id } }),
  },
  async execute({ tx, now, newId, tenantId }, input) {
    const { name, description = null, category = null } = input
    if ((await countRoom(tx, tenantId)) < 1) throw catalogueFull()
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
