import { KeywardError } from '../errors/keyward-error.ts'
import { type Actor, authorize } from './actor.ts'
import type { Permission } from './permissions.ts'

/**
 * Throws FORBIDDEN when the actor lacks a permission in a tenant that it may see. For what only some inputs of a command
 * need, beside what its access asks of every caller.
 */
export function requirePermission(actor: Actor, permission: Permission, tenantId: string, forWhat: string): void {
  if (authorize(actor, permission, tenantId) === 'allowed') return
  throw new KeywardError('FORBIDDEN', `${forWhat} needs the permission \`${permission}\`.`)
}
