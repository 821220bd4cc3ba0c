import { defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantIdOfScope, isCoveredByWildcard, lockScope, removeScopeFromKeys } from './scope-store.ts'

export interface DeleteScopeInput {
  readonly id: string
  readonly expectedVersion?: number | null | undefined
}

export interface DeletedScope {
  readonly deletedId: string
  readonly changedKeys: number
}

/** More keys would be locked for seconds by one call. Switching the scope off has the same effect on verdicts, at once. */
const CHANGED_KEYS_MAX = 10_000

/**
 * Take a scope out of the catalogue and from every key that holds its name. A wildcard that covers it stays with the keys
 * that hold one, and grants whatever starts so: what must be granted to nobody is switched off instead. So a scope that is
 * off is not deleted while a key holds such a wildcard, which would grant it again.
 */
export const deleteScope = defineTenantCommand<DeleteScopeInput, DeletedScope>({
  name: 'delete-scope',
  permission: 'scopes:delete',
  tenantOf: ({ id }, find) => findTenantIdOfScope(find, id),
  async execute({ tx, now, tenantId }, { id: publicId, expectedVersion }) {
    const scope = await lockScope(tx, tenantId, publicId, { toDelete: true })
    requireVersion(scope.version, expectedVersion)
    const { name, description, category, active } = scope
    if (!active && (await isCoveredByWildcard(tx, { tenantId, name }))) {
      throw new KeywardError(
        'CONFLICT',
        'Keys hold a wildcard that would grant the scope again: leave it switched off, or take the wildcard from them first.',
      )
    }
    const changedKeys = await removeScopeFromKeys(tx, { tenantId, name, now })
    if (changedKeys > CHANGED_KEYS_MAX) {
      throw new KeywardError(
        'CONFLICT',
        `${changedKeys} keys hold the scope; at most ${CHANGED_KEYS_MAX} can be changed at once. Deactivate it instead.`,
      )
    }
    await tx.scope.delete({ where: { id: scope.id } })
    const deletedId = formatPublicId('Scope', scope.id)
    return {
      value: { deletedId, changedKeys },
      audit: [
        {
          tenantId,
          action: 'scope.deleted',
          outcome: 'SUCCESS',
          resource: { type: 'Scope', id: deletedId },
          detail: { before: { name, description, category, active }, changedKeys },
        },
      ],
      events: [],
      // Also when no key held it: an inactive scope that is gone is not taken from wildcards any more.
      invalidate: [{ kind: 'tenant', tenantId }],
    }
  },
})
