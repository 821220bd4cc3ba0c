import { defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import type { Scope } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { type ScopeDescription, validateDescription } from './scope-rules.ts'
import { findTenantIdOfScope, lockScope } from './scope-store.ts'

export interface UpdateScopeInput extends ScopeDescription {
  readonly id: string
  /** Null leaves it as it is: a scope is on or off. */
  readonly active?: boolean | null | undefined
  readonly expectedVersion?: number | null | undefined
}

type Field = 'description' | 'category' | 'active'

/**
 * Describe a scope anew, switch it off or on. One that is off is granted to no key from the next verification on. A call that
 * changes nothing is recorded.
 */
export const updateScope = defineTenantCommand<UpdateScopeInput, Scope>({
  name: 'update-scope',
  permission: 'scopes:update',
  tenantOf: ({ id }, find) => findTenantIdOfScope(find, id),
  validate: (input) => validateDescription(input, ['input']),
  async execute({ tx, now, tenantId }, { id: publicId, description, category, active, expectedVersion }) {
    const scope = await lockScope(tx, tenantId, publicId)
    requireVersion(scope.version, expectedVersion)
    const after: Pick<Scope, Field> = {
      description: description === undefined ? scope.description : description,
      category: category === undefined ? scope.category : category,
      active: active ?? scope.active,
    }
    const fields = (['description', 'category', 'active'] as const).filter((field) => scope[field] !== after[field])
    return {
      value:
        fields.length > 0
          ? await tx.scope.update({
              where: { id: scope.id },
              data: { ...after, updatedAt: now, version: { increment: 1 } },
            })
          : scope,
      audit: [
        {
          tenantId,
          action: 'scope.updated',
          outcome: 'SUCCESS',
          resource: { type: 'Scope', id: formatPublicId('Scope', scope.id) },
          detail: { name: scope.name, before: pick(scope, fields), after: pick(after, fields) },
        },
      ],
      events: [],
      invalidate: fields.includes('active') ? [{ kind: 'tenant', tenantId }] : [],
    }
  },
})

function pick(scope: Pick<Scope, Field>, fields: readonly Field[]): Record<string, string | boolean | null> {
  return Object.fromEntries(fields.map((field) => [field, scope[field]]))
}
