import type { Permission } from '../../src/actors/permissions.ts'
import type { ThingIds } from './field-cases.ts'

/**
 * How a field of an object that is guarded, or that leads to other things, is reached, and what it takes. One without an
 * entry fails the tests that use this.
 */
export interface ObjectFieldCase {
  readonly root: keyof typeof ROOTS
  /** From the thing at the root down to the field. */
  readonly selection: string
  /** What it takes beside what the root takes; nothing when absent. */
  readonly needs?: Permission
  /** What is answered without: null and why, or null alone, for people and keys that the caller may not know of. */
  readonly without?: 'FORBIDDEN' | 'null'
}

/** Where a selection begins, and what a machine must hold to get there. */
export const ROOTS = {
  apiKey: { permission: 'keys:read', field: ({ apiKeyId }: ThingIds) => `apiKey(id: "${apiKeyId}")` },
  scopes: { permission: 'scopes:read', field: ({ tenantId }: ThingIds) => `scopes(tenantId: "${tenantId}", first: 1)` },
  members: {
    permission: 'members:read',
    field: ({ tenantId }: ThingIds) => `members(tenantId: "${tenantId}", first: 1)`,
  },
  invitations: {
    permission: 'members:read',
    field: ({ tenantId }: ThingIds) => `invitations(tenantId: "${tenantId}", first: 1)`,
  },
  user: { permission: 'members:read', field: ({ userId }: ThingIds) => `node(id: "${userId}")` },
} as const satisfies Record<string, { permission: Permission; field: (ids: ThingIds) => string }>

const LIMITS = '{ perMinute }'
const SHOWN_LIMITS = '{ perMinute { value source } }'
const ACTOR = '{ ... on User { id } }'

function tenantField(selection: string, needs: Permission): ObjectFieldCase {
  return { root: 'apiKey', selection: `tenant { ${selection} }`, needs, without: 'FORBIDDEN' }
}

export const OBJECT_FIELD_CASES: Readonly<Record<string, ObjectFieldCase>> = {
  'Tenant.version': tenantField('version', 'tenants:read'),
  'Tenant.keyPrefix': tenantField('keyPrefix', 'tenants:read'),
  'Tenant.timeZone': tenantField('timeZone', 'tenants:read'),
  'Tenant.isPlatform': tenantField('isPlatform', 'tenants:read'),
  'Tenant.status': tenantField('status', 'tenants:read'),
  'Tenant.createdAt': tenantField('createdAt', 'tenants:read'),
  'Tenant.updatedAt': tenantField('updatedAt', 'tenants:read'),
  'Tenant.config': tenantField(`config ${LIMITS}`, 'configs:read'),
  'Tenant.effectiveConfig': tenantField(`effectiveConfig ${SHOWN_LIMITS}`, 'configs:read'),
  'ApiKey.config': { root: 'apiKey', selection: `config ${LIMITS}`, needs: 'configs:read', without: 'FORBIDDEN' },
  'ApiKey.effectiveConfig': {
    root: 'apiKey',
    selection: `effectiveConfig ${SHOWN_LIMITS}`,
    needs: 'configs:read',
    without: 'FORBIDDEN',
  },
  'ApiKey.privateMetadata': {
    root: 'apiKey',
    selection: 'privateMetadata',
    needs: 'private-metadata:read',
    without: 'FORBIDDEN',
  },
  'ApiKey.createdBy': { root: 'apiKey', selection: `createdBy ${ACTOR}`, needs: 'members:read', without: 'null' },
  'ApiKey.disabledBy': { root: 'apiKey', selection: `disabledBy ${ACTOR}`, needs: 'members:read', without: 'null' },
  'ApiKey.revokedBy': { root: 'apiKey', selection: `revokedBy ${ACTOR}`, needs: 'members:read', without: 'null' },
  'ApiKey.tenant': { root: 'apiKey', selection: 'tenant { id slug name }' },
  'Scope.keyCount': { root: 'scopes', selection: 'nodes { keyCount }', needs: 'keys:read', without: 'FORBIDDEN' },
  'Scope.tenant': { root: 'scopes', selection: 'nodes { tenant { id slug name } }' },
  'Membership.tenant': { root: 'members', selection: 'nodes { tenant { id slug name } }' },
  'Membership.user': { root: 'members', selection: 'nodes { user { id email } }' },
  'Invitation.invitedBy': { root: 'invitations', selection: `nodes { invitedBy ${ACTOR} }` },
  'Invitation.tenant': { root: 'invitations', selection: 'nodes { tenant { id slug name } }' },
  'User.memberships': { root: 'user', selection: '... on User { memberships { role } }' },
}
