import { KeywardError } from '../errors/keyward-error.ts'
import type { ManagementKey } from '../verify/authentication/management-authentication.ts'
import type { ApiKeyActor } from './actor.ts'
import { PERMISSION_NAMES, permissionScope } from './permissions.ts'

/**
 * A machine with what its key's scopes allow. Throws FORBIDDEN for a key that allows nothing here: it is that of a client, who
 * has no business with how it is managed.
 */
export function toKeyActor({ keyId, tenantId, tenantIsPlatform, scopes }: ManagementKey): ApiKeyActor {
  const permissions = new Set(PERMISSION_NAMES.filter((permission) => scopes.grants(permissionScope(permission))))
  if (permissions.size === 0) {
    throw new KeywardError('FORBIDDEN', 'The key holds no scope that begins with `keyward:`.')
  }
  return { kind: 'apiKey', apiKeyId: keyId, tenantId, isPlatform: tenantIsPlatform, permissions }
}
