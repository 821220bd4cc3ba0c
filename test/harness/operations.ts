import { graphql } from '../generated/graphql/gql.ts'

/** The operations that many tests send. */
export const SessionCreate = graphql(`
  mutation SessionCreate($input: SessionCreateInput!) {
    sessionCreate(input: $input) {
      __typename
      ... on SessionCreatePayload { accessToken refreshToken expiresAt user { id email } }
      ... on UserError { code message path }
    }
  }
`)

export const SessionRefresh = graphql(`
  mutation SessionRefresh($input: SessionRefreshInput!) {
    sessionRefresh(input: $input) {
      __typename
      ... on SessionRefreshPayload { accessToken refreshToken expiresAt }
      ... on UserError { code message path }
    }
  }
`)

export const SessionEnd = graphql(`
  mutation SessionEnd {
    sessionEnd { __typename ... on SessionEndPayload { ended } ... on UserError { code message path } }
  }
`)

export const Viewer = graphql(`
  query Viewer {
    viewer {
      __typename
      ... on User { id email memberships { role tenant { id slug } } }
      ... on ApiKey { id name }
    }
  }
`)

export const TenantCreate = graphql(`
  mutation TenantCreate($input: TenantCreateInput!) {
    tenantCreate(input: $input) {
      __typename
      ... on TenantCreatePayload { tenant { id slug name keyPrefix timeZone status } }
      ... on UserError { code message path }
    }
  }
`)

export const ScopeCreate = graphql(`
  mutation ScopeCreate($input: ScopeCreateInput!) {
    scopeCreate(input: $input) {
      __typename
      ... on ScopeCreatePayload { scope { id name description category active } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyCreate = graphql(`
  mutation ApiKeyCreate($input: ApiKeyCreateInput!) {
    apiKeyCreate(input: $input) {
      __typename
      ... on ApiKeyCreatePayload {
        token
        apiKey { id version name start environment status scopes createdAt expiresAt }
      }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeysImport = graphql(`
  mutation ApiKeysImport($input: ApiKeysImportInput!) {
    apiKeysImport(input: $input) {
      __typename
      ... on BulkPayload { processed created updated skipped failed rows { index status id error { code message path } } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeysRevoke = graphql(`
  mutation ApiKeysRevoke($input: ApiKeysRevokeInput!) {
    apiKeysRevoke(input: $input) {
      __typename
      ... on BulkPayload { processed created updated skipped failed rows { index status id error { code message path } } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeysUpdate = graphql(`
  mutation ApiKeysUpdate($input: ApiKeysUpdateInput!) {
    apiKeysUpdate(input: $input) {
      __typename
      ... on BulkPayload { processed created updated skipped failed rows { index status id error { code message path } } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyRevoke = graphql(`
  mutation ApiKeyRevoke($id: ID!, $input: ApiKeyRevokeInput!) {
    apiKeyRevoke(id: $id, input: $input) {
      __typename
      ... on ApiKeyRevokePayload { apiKey { id version status revokedAt revokedReason } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyDisable = graphql(`
  mutation ApiKeyDisable($id: ID!) {
    apiKeyDisable(id: $id) {
      __typename
      ... on ApiKeyDisablePayload { apiKey { id status } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyEnable = graphql(`
  mutation ApiKeyEnable($id: ID!) {
    apiKeyEnable(id: $id) {
      __typename
      ... on ApiKeyEnablePayload { apiKey { id status } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyById = graphql(`
  query ApiKeyById($id: ID!) {
    apiKey(id: $id) { id name status start requestCount lastUsedAt secrets { start state } tenant { id slug } }
  }
`)

export const ApiKeys = graphql(`
  query ApiKeys(
    $tenantId: ID!, $first: Int, $after: String, $last: Int, $before: String, $where: ApiKeyWhere, $orderBy: ApiKeyOrder
  ) {
    apiKeys(
      tenantId: $tenantId, first: $first, after: $after, last: $last, before: $before, where: $where, orderBy: $orderBy
    ) {
      totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      edges { cursor node { id } }
      nodes { id name start environment status scopes lastUsedAt requestCount ownerId tenant { id slug } }
    }
  }
`)

export const Tenants = graphql(`
  query Tenants($first: Int, $after: String) {
    tenants(first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { id slug name status isPlatform }
    }
  }
`)

export const Scopes = graphql(`
  query Scopes($tenantId: ID!, $first: Int, $after: String, $where: ScopeWhere) {
    scopes(tenantId: $tenantId, first: $first, after: $after, where: $where) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { id name description category active tenant { id } }
    }
  }
`)

export const ApiKeyUpdate = graphql(`
  mutation ApiKeyUpdate($id: ID!, $input: ApiKeyUpdateInput!) {
    apiKeyUpdate(id: $id, input: $input) {
      __typename
      ... on ApiKeyUpdatePayload { apiKey { id version name description scopes ownerId expiresAt metadata status } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyRotate = graphql(`
  mutation ApiKeyRotate($id: ID!, $input: ApiKeyRotateInput!) {
    apiKeyRotate(id: $id, input: $input) {
      __typename
      ... on ApiKeyRotatePayload { token apiKey { id version status start secrets { start state expiresAt lastUsedAt } } }
      ... on UserError { code message path }
    }
  }
`)

export const TenantConfigSet = graphql(`
  mutation TenantConfigSet($tenantId: ID!, $input: TenantConfigInput!) {
    tenantConfigSet(tenantId: $tenantId, input: $input) {
      __typename
      ... on TenantConfigSetPayload { tenant { id version } }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyConfigSet = graphql(`
  mutation ApiKeyConfigSet($id: ID!, $input: ApiKeyConfigInput!) {
    apiKeyConfigSet(id: $id, input: $input) {
      __typename
      ... on ApiKeyConfigSetPayload { apiKey { id version } }
      ... on UserError { code message path }
    }
  }
`)

export const TenantUpdate = graphql(`
  mutation TenantUpdate($id: ID!, $input: TenantUpdateInput!) {
    tenantUpdate(id: $id, input: $input) {
      __typename
      ... on TenantUpdatePayload { tenant { id version name timeZone slug } }
      ... on UserError { code message path }
    }
  }
`)

export const TenantDelete = graphql(`
  mutation TenantDelete($id: ID!, $confirmSlug: String!) {
    tenantDelete(id: $id, confirmSlug: $confirmSlug) {
      __typename
      ... on TenantDeletePayload { deletedId }
      ... on UserError { code message path }
    }
  }
`)

export const TenantSuspend = graphql(`
  mutation TenantSuspend($id: ID!) {
    tenantSuspend(id: $id) {
      __typename
      ... on TenantSuspendPayload { tenant { id status } }
      ... on UserError { code message path }
    }
  }
`)

export const TenantResume = graphql(`
  mutation TenantResume($id: ID!) {
    tenantResume(id: $id) {
      __typename
      ... on TenantResumePayload { tenant { id status } }
      ... on UserError { code message path }
    }
  }
`)

export const Permissions = graphql(`
  query Permissions { permissions { name description scope roles } }
`)

export const ScopeUpdate = graphql(`
  mutation ScopeUpdate($id: ID!, $input: ScopeUpdateInput!) {
    scopeUpdate(id: $id, input: $input) {
      __typename
      ... on ScopeUpdatePayload { scope { id version name description category active } }
      ... on UserError { code message path }
    }
  }
`)

export const ScopeDelete = graphql(`
  mutation ScopeDelete($id: ID!, $expectedVersion: Int) {
    scopeDelete(id: $id, expectedVersion: $expectedVersion) {
      __typename
      ... on ScopeDeletePayload { deletedId changedKeys }
      ... on UserError { code message path }
    }
  }
`)

export const ApiKeyDelete = graphql(`
  mutation ApiKeyDelete($id: ID!, $confirmName: String!) {
    apiKeyDelete(id: $id, confirmName: $confirmName) {
      __typename
      ... on ApiKeyDeletePayload { deletedId }
      ... on UserError { code message path }
    }
  }
`)

export const ScopesImport = graphql(`
  mutation ScopesImport($input: ScopesImportInput!) {
    scopesImport(input: $input) {
      __typename
      ... on BulkPayload { processed created updated skipped failed rows { index status id error { code message path } } }
      ... on UserError { code message path }
    }
  }
`)

export const ScopesExport = graphql(`
  query ScopesExport($tenantId: ID!, $after: String) { scopesExport(tenantId: $tenantId, after: $after) }
`)

export const ScopesFromOpenApi = graphql(`
  mutation ScopesFromOpenApi($input: ScopesFromOpenApiInput!) {
    scopesFromOpenApi(input: $input) {
      __typename
      ... on ScopesFromOpenApiPayload {
        title version operationCount scopes { name description } warnings
        imported { created updated skipped failed }
      }
      ... on UserError { code message path }
    }
  }
`)

export const OpenApiAnalysis = graphql(`
  query OpenApiAnalysis($input: OpenApiAnalysisInput!) {
    openApiAnalysis(input: $input) {
      title version operationCount
      strategies { strategy scopeCount wildcardCount skippedOperationCount warnings }
    }
  }
`)

export const ConfigsImport = graphql(`
  mutation ConfigsImport($input: ConfigsImportInput!) {
    configsImport(input: $input) {
      __typename
      ... on BulkPayload { processed created updated skipped failed rows { index status id error { code message path } } }
      ... on UserError { code message path }
    }
  }
`)

export const ConfigsExport = graphql(`
  query ConfigsExport($tenantId: ID!, $after: String) { configsExport(tenantId: $tenantId, after: $after) }
`)

export const OpenApiOperationsDelete = graphql(`
  mutation OpenApiOperationsDelete($tenantId: ID!, $namespace: String!) {
    openApiOperationsDelete(tenantId: $tenantId, namespace: $namespace) {
      __typename
      ... on OpenApiOperationsDeletePayload { deletedCount tenant { id } }
      ... on UserError { code message path }
    }
  }
`)

export const OpenApiOperations = graphql(`
  query OpenApiOperations($tenantId: ID!, $first: Int, $after: String) {
    openApiOperations(tenantId: $tenantId, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { namespace method path basePath scope importedAt }
    }
  }
`)
