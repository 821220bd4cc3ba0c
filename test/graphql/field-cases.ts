import { randomBytes } from 'node:crypto'
import { PERMISSION_NAMES, type Permission, roleHolds } from '../../src/actors/permissions.ts'
import type { Role } from '../generated/graphql/graphql.ts'
import { ADMIN_PASSWORD } from '../harness/app.ts'
import { uniqueName } from '../harness/seed.ts'

/** Ids of things of one tenant. */
export interface ThingIds {
  readonly tenantId: string
  readonly apiKeyId: string
  readonly scopeId: string
  /** A VIEWER of the tenant. */
  readonly userId: string
  /** One that is open. */
  readonly invitationId: string
}

/** How every root field of the schema is called, and who may. A field without an entry fails the tests that use this. */
export interface FieldCase {
  readonly document: string
  readonly variables?: (ids: ThingIds) => Record<string, unknown>
  /** Where ids come in, as `argument` or `argument.field`, and which thing each one names. */
  readonly ids?: Readonly<Record<string, readonly (keyof ThingIds)[]>>
  /**
   * `public`: for everybody. `session`: for every person. `platform`: for admins of the installation. Roles: for those
   * who have one of them in the tenant, and for admins of the installation. `nobody`: for nobody, with the settings that
   * hold when none is given.
   */
  readonly allowed: 'nobody' | 'public' | 'session' | 'platform' | readonly Role[]
  /** What a machine must hold beside the permission that the field names, because the case gives or takes it. */
  readonly gives?: readonly Permission[]
  /** For a query that answers with what the caller may see, and so with less rather than with a refusal. */
  readonly answersWithLess?: true
}

const permissionsOf = (role: Role) => PERMISSION_NAMES.filter((permission) => roleHolds(role, permission))

const READERS = ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER'] as const
const WRITERS = ['OWNER', 'ADMIN', 'DEVELOPER'] as const
const ADMINS = ['OWNER', 'ADMIN'] as const
const RESULT = '__typename ... on UserError { code message path }'
const BULK_RESULT = `... on BulkPayload { rows { index status error { code message path } } } ${RESULT}`
/** Of the operations that are imported. */
const NAMESPACE = 'pets'
const OPENAPI = JSON.stringify({
  openapi: '3.1.0',
  info: { title: 'Pets', version: '1' },
  paths: { '/pets': { get: {} } },
})
const EVERY_THING: readonly (keyof ThingIds)[] = ['tenantId', 'apiKeyId', 'scopeId', 'userId', 'invitationId']

export const FIELD_CASES: Readonly<Record<string, FieldCase>> = {
  'Query.viewer': { document: '{ viewer { __typename } }', allowed: 'public' },
  'Query.permissions': { document: '{ permissions { name description scope roles } }', allowed: 'session' },
  'Query.node': {
    document: 'query ($id: ID!) { node(id: $id) { __typename id } }',
    variables: ({ apiKeyId }) => ({ id: apiKeyId }),
    ids: { id: EVERY_THING },
    allowed: READERS,
    answersWithLess: true,
  },
  'Query.tenant': {
    document: 'query ($id: ID, $slug: String) { tenant(id: $id, slug: $slug) { id slug } }',
    variables: ({ tenantId }) => ({ id: tenantId, slug: null }),
    ids: { id: ['tenantId'] },
    allowed: READERS,
    answersWithLess: true,
  },
  'Query.tenants': { document: '{ tenants { totalCount nodes { id } } }', allowed: 'session', answersWithLess: true },
  'Query.apiKey': {
    document: 'query ($id: ID!) { apiKey(id: $id) { id name } }',
    variables: ({ apiKeyId }) => ({ id: apiKeyId }),
    ids: { id: ['apiKeyId'] },
    allowed: READERS,
    answersWithLess: true,
  },
  'Query.apiKeys': {
    document: `query ($tenantId: ID!, $where: ApiKeyWhere, $orderBy: ApiKeyOrder, $after: String) {
      apiKeys(tenantId: $tenantId, where: $where, orderBy: $orderBy, after: $after) { totalCount nodes { id } }
    }`,
    variables: ({ tenantId }) => ({
      tenantId,
      after: null,
      where: {
        search: 'n',
        ownerId: '',
        environment: ['PRODUCTION', 'TEST'],
        status: ['ACTIVE', 'EXPIRED'],
        scope: null,
        createdAfter: '2026-01-01T00:00:00Z',
        createdBefore: '2126-01-01T00:00:00Z',
        usedBefore: null,
        expiringBefore: null,
      },
      orderBy: { field: 'LAST_USED_AT', direction: 'DESC' },
    }),
    ids: { tenantId: ['tenantId'] },
    allowed: READERS,
  },
  'Query.members': {
    document: 'query ($tenantId: ID!) { members(tenantId: $tenantId) { totalCount nodes { role } } }',
    variables: ({ tenantId }) => ({ tenantId }),
    ids: { tenantId: ['tenantId'] },
    allowed: READERS,
  },
  'Query.invitations': {
    document: 'query ($tenantId: ID!) { invitations(tenantId: $tenantId) { totalCount nodes { id } } }',
    variables: ({ tenantId }) => ({ tenantId }),
    ids: { tenantId: ['tenantId'] },
    allowed: READERS,
  },
  'Query.scopes': {
    document: 'query ($tenantId: ID!) { scopes(tenantId: $tenantId) { totalCount nodes { id } } }',
    variables: ({ tenantId }) => ({ tenantId }),
    ids: { tenantId: ['tenantId'] },
    allowed: READERS,
  },
  'Query.scopesExport': {
    document: 'query ($tenantId: ID!) { scopesExport(tenantId: $tenantId) }',
    variables: ({ tenantId }) => ({ tenantId }),
    ids: { tenantId: ['tenantId'] },
    allowed: READERS,
  },
  'Query.configsExport': {
    document: 'query ($tenantId: ID!, $after: String) { configsExport(tenantId: $tenantId, after: $after) }',
    variables: ({ tenantId }) => ({ tenantId, after: null }),
    ids: { tenantId: ['tenantId'] },
    allowed: READERS,
  },
  'Query.openApiAnalysis': {
    document: 'query ($input: OpenApiAnalysisInput!) { openApiAnalysis(input: $input) { operationCount } }',
    variables: ({ tenantId }) => ({ input: { tenantId, document: OPENAPI } }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: WRITERS,
  },
  'Query.openApiOperations': {
    document: `query ($tenantId: ID!, $after: String) {
      openApiOperations(tenantId: $tenantId, first: 5, after: $after) { totalCount nodes { scope } }
    }`,
    variables: ({ tenantId }) => ({ tenantId, after: null }),
    ids: { tenantId: ['tenantId'] },
    allowed: READERS,
  },
  'Query.users': {
    document: 'query ($search: String) { users(first: 5, search: $search) { totalCount nodes { id email } } }',
    variables: () => ({ search: 'example.com' }),
    allowed: 'platform',
  },
  'Mutation.sessionCreate': {
    document: `mutation ($input: SessionCreateInput!) { sessionCreate(input: $input) { ${RESULT} } }`,
    variables: () => ({ input: { email: `${uniqueName()}@example.com`, password: 'not this one' } }),
    allowed: 'public',
  },
  'Mutation.sessionRefresh': {
    document: `mutation ($input: SessionRefreshInput!) { sessionRefresh(input: $input) { ${RESULT} } }`,
    variables: () => ({ input: { refreshToken: 'none' } }),
    allowed: 'public',
  },
  'Mutation.userRegister': {
    document: `mutation ($input: UserRegisterInput!) { userRegister(input: $input) { ${RESULT} } }`,
    variables: () => ({ input: { email: `${uniqueName()}@example.com`, password: 'orange staple under rivers' } }),
    allowed: 'nobody',
  },
  'Mutation.passwordChange': {
    document: `mutation ($input: PasswordChangeInput!) { passwordChange(input: $input) { ${RESULT} } }`,
    variables: () => ({ input: { currentPassword: ADMIN_PASSWORD, newPassword: 'short' } }),
    allowed: 'session',
  },
  'Mutation.passwordReset': {
    document: `mutation ($input: PasswordResetInput!) { passwordReset(input: $input) { ${RESULT} } }`,
    variables: () => ({ input: { token: 'none', newPassword: 'orange staple under rivers' } }),
    allowed: 'public',
  },
  'Mutation.userSessionsEnd': {
    document: `mutation ($id: ID!) { userSessionsEnd(id: $id) { ${RESULT} } }`,
    variables: ({ userId }) => ({ id: userId }),
    ids: { id: ['userId'] },
    allowed: 'platform',
  },
  'Mutation.userPasswordResetCreate': {
    document: `mutation ($id: ID!) { userPasswordResetCreate(id: $id) { ${RESULT} } }`,
    variables: ({ userId }) => ({ id: userId }),
    ids: { id: ['userId'] },
    allowed: 'platform',
    gives: permissionsOf('VIEWER'),
  },
  'Mutation.userDelete': {
    document: `mutation ($id: ID!, $confirmEmail: String!) {
      userDelete(id: $id, confirmEmail: $confirmEmail) { ${RESULT} }
    }`,
    variables: ({ userId }) => ({ id: userId, confirmEmail: 'not@its.address' }),
    ids: { id: ['userId'] },
    allowed: 'platform',
    gives: permissionsOf('VIEWER'),
  },
  'Mutation.memberInvite': {
    document: `mutation ($input: MemberInviteInput!) { memberInvite(input: $input) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ input: { tenantId, email: `${uniqueName()}@example.com`, role: 'ADMIN' } }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: ADMINS,
    gives: permissionsOf('ADMIN'),
  },
  'Mutation.invitationAccept': {
    document: `mutation ($input: InvitationAcceptInput!) { invitationAccept(input: $input) { ${RESULT} } }`,
    variables: () => ({ input: { token: 'none' } }),
    allowed: 'public',
  },
  'Mutation.invitationRevoke': {
    document: `mutation ($id: ID!) { invitationRevoke(id: $id) { ${RESULT} } }`,
    variables: ({ invitationId }) => ({ id: invitationId }),
    ids: { id: ['invitationId'] },
    allowed: ADMINS,
    gives: permissionsOf('VIEWER'),
  },
  'Mutation.memberRoleSet': {
    document: `mutation ($input: MemberRoleSetInput!) { memberRoleSet(input: $input) { ${RESULT} } }`,
    variables: ({ tenantId, userId }) => ({ input: { tenantId, userId, role: 'DEVELOPER' } }),
    ids: { 'input.tenantId': ['tenantId'], 'input.userId': ['userId'] },
    allowed: ADMINS,
    gives: permissionsOf('DEVELOPER'),
  },
  'Mutation.memberRemove': {
    document: `mutation ($input: MemberRemoveInput!) { memberRemove(input: $input) { ${RESULT} } }`,
    variables: ({ tenantId, userId }) => ({ input: { tenantId, userId } }),
    ids: { 'input.tenantId': ['tenantId'], 'input.userId': ['userId'] },
    allowed: ADMINS,
    gives: permissionsOf('VIEWER'),
  },
  'Mutation.sessionEnd': { document: `mutation { sessionEnd { ${RESULT} } }`, allowed: 'session' },
  'Mutation.tenantCreate': {
    document: `mutation ($input: TenantCreateInput!) { tenantCreate(input: $input) { ${RESULT} } }`,
    variables: () => ({ input: { name: 'A', slug: uniqueName(), keyPrefix: 'abc' } }),
    allowed: 'platform',
  },
  'Mutation.tenantUpdate': {
    document: `mutation ($id: ID!, $input: TenantUpdateInput!) { tenantUpdate(id: $id, input: $input) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ id: tenantId, input: { name: 'Renamed' } }),
    ids: { id: ['tenantId'] },
    allowed: ADMINS,
  },
  'Mutation.tenantDelete': {
    document: `mutation ($id: ID!, $confirmSlug: String!) {
      tenantDelete(id: $id, confirmSlug: $confirmSlug) { ${RESULT} }
    }`,
    variables: ({ tenantId }) => ({ id: tenantId, confirmSlug: 'not its slug' }),
    ids: { id: ['tenantId'] },
    allowed: ['OWNER'],
  },
  'Mutation.tenantSuspend': {
    document: `mutation ($id: ID!) { tenantSuspend(id: $id) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ id: tenantId }),
    ids: { id: ['tenantId'] },
    allowed: [],
  },
  'Mutation.tenantResume': {
    document: `mutation ($id: ID!) { tenantResume(id: $id) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ id: tenantId }),
    ids: { id: ['tenantId'] },
    allowed: [],
  },
  'Mutation.tenantConfigSet': {
    document: `mutation ($tenantId: ID!, $input: TenantConfigInput!) {
      tenantConfigSet(tenantId: $tenantId, input: $input) { ${RESULT} }
    }`,
    variables: ({ tenantId }) => ({ tenantId, input: { perMinute: 100 } }),
    ids: { tenantId: ['tenantId'] },
    allowed: ADMINS,
  },
  'Mutation.configsImport': {
    document: `mutation ($input: ConfigsImportInput!) { configsImport(input: $input) { ${BULK_RESULT} } }`,
    variables: ({ tenantId, apiKeyId }) => ({
      input: { tenantId, document: { configs: [{ key: apiKeyId, config: { perMinute: 100 } }] } },
    }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: ADMINS,
  },
  'Mutation.scopeCreate': {
    document: `mutation ($input: ScopeCreateInput!) { scopeCreate(input: $input) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ input: { tenantId, name: `${uniqueName()}:read` } }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: WRITERS,
  },
  'Mutation.scopeUpdate': {
    document: `mutation ($id: ID!, $input: ScopeUpdateInput!) { scopeUpdate(id: $id, input: $input) { ${RESULT} } }`,
    variables: ({ scopeId }) => ({ id: scopeId, input: { category: uniqueName() } }),
    ids: { id: ['scopeId'] },
    allowed: WRITERS,
  },
  'Mutation.scopeDelete': {
    document: `mutation ($id: ID!) { scopeDelete(id: $id) { ${RESULT} } }`,
    variables: ({ scopeId }) => ({ id: scopeId }),
    ids: { id: ['scopeId'] },
    allowed: ADMINS,
  },
  'Mutation.scopesImport': {
    document: `mutation ($input: ScopesImportInput!) { scopesImport(input: $input) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ input: { tenantId, document: { scopes: [{ name: `${uniqueName()}:read` }] } } }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: WRITERS,
  },
  'Mutation.scopesFromOpenApi': {
    document: `mutation ($input: ScopesFromOpenApiInput!) { scopesFromOpenApi(input: $input) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ input: { tenantId, document: OPENAPI, namespace: NAMESPACE, import: true } }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: WRITERS,
    gives: ['openapi:write'],
  },
  'Mutation.openApiOperationsDelete': {
    document: `mutation ($tenantId: ID!, $namespace: String!) {
      openApiOperationsDelete(tenantId: $tenantId, namespace: $namespace) { ${RESULT} }
    }`,
    variables: ({ tenantId }) => ({ tenantId, namespace: NAMESPACE }),
    ids: { tenantId: ['tenantId'] },
    allowed: ADMINS,
  },
  'Mutation.apiKeyCreate': {
    document: `mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { ${RESULT} } }`,
    variables: ({ tenantId }) => ({ input: { tenantId, name: uniqueName(), environment: 'TEST' } }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeyDisable': {
    document: `mutation ($id: ID!) { apiKeyDisable(id: $id) { ${RESULT} } }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId }),
    ids: { id: ['apiKeyId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeyEnable': {
    document: `mutation ($id: ID!) { apiKeyEnable(id: $id) { ${RESULT} } }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId }),
    ids: { id: ['apiKeyId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeyRevoke': {
    document: `mutation ($id: ID!, $input: ApiKeyRevokeInput!) { apiKeyRevoke(id: $id, input: $input) { ${RESULT} } }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId, input: { reason: 'test' } }),
    ids: { id: ['apiKeyId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeysRevoke': {
    document: `mutation ($input: ApiKeysRevokeInput!) { apiKeysRevoke(input: $input) { ${BULK_RESULT} } }`,
    variables: ({ tenantId, apiKeyId }) => ({ input: { tenantId, ids: [apiKeyId], reason: 'test' } }),
    ids: { 'input.tenantId': ['tenantId'], 'input.ids': ['apiKeyId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeysUpdate': {
    document: `mutation ($input: ApiKeysUpdateInput!) { apiKeysUpdate(input: $input) { ${BULK_RESULT} } }`,
    variables: ({ tenantId, apiKeyId }) => ({
      input: { tenantId, keys: [{ id: apiKeyId, changes: { ownerId: 'somebody' } }] },
    }),
    ids: { 'input.tenantId': ['tenantId'], 'input.keys.id': ['apiKeyId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeysImport': {
    document: `mutation ($input: ApiKeysImportInput!) {
      apiKeysImport(input: $input) { ... on BulkPayload { processed created } ${RESULT} }
    }`,
    variables: ({ tenantId }) => ({
      input: {
        tenantId,
        keys: [{ name: uniqueName(), hash: randomBytes(32).toString('hex'), encoding: 'HEX', environment: 'TEST' }],
      },
    }),
    ids: { 'input.tenantId': ['tenantId'] },
    allowed: ADMINS,
  },
  'Mutation.apiKeyDelete': {
    document: `mutation ($id: ID!, $confirmName: String!) {
      apiKeyDelete(id: $id, confirmName: $confirmName) { ${RESULT} }
    }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId, confirmName: 'not its name' }),
    ids: { id: ['apiKeyId'] },
    allowed: ADMINS,
  },
  'Mutation.apiKeyUpdate': {
    document: `mutation ($id: ID!, $input: ApiKeyUpdateInput!) { apiKeyUpdate(id: $id, input: $input) { ${RESULT} } }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId, input: { ownerId: 'somebody' } }),
    ids: { id: ['apiKeyId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeyRotate': {
    document: `mutation ($id: ID!, $input: ApiKeyRotateInput!) { apiKeyRotate(id: $id, input: $input) { ${RESULT} } }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId, input: {} }),
    ids: { id: ['apiKeyId'] },
    allowed: WRITERS,
  },
  'Mutation.apiKeyConfigSet': {
    document: `mutation ($id: ID!, $input: ApiKeyConfigInput!) {
      apiKeyConfigSet(id: $id, input: $input) { ${RESULT} }
    }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId, input: { perMinute: 100 } }),
    ids: { id: ['apiKeyId'] },
    allowed: ADMINS,
  },
  'Mutation.apiKeyCreditsSet': {
    document: `mutation ($id: ID!, $input: CreditsInput!) { apiKeyCreditsSet(id: $id, input: $input) { ${RESULT} } }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId, input: { amount: 10 } }),
    ids: { id: ['apiKeyId'] },
    allowed: ADMINS,
  },
  'Mutation.apiKeyCreditsAdd': {
    document: `mutation ($id: ID!, $input: ApiKeyCreditsAddInput!) {
      apiKeyCreditsAdd(id: $id, input: $input) { ${RESULT} }
    }`,
    variables: ({ apiKeyId }) => ({ id: apiKeyId, input: { amount: 10 } }),
    ids: { id: ['apiKeyId'] },
    allowed: ADMINS,
  },
}
