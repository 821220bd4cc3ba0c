import type { Tenant as TenantRow } from '../generated/prisma/client.ts'
import { requirePermissionIn } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { changedKeyPayload } from '../keys/changed-key-payload.ts'
import { ApiKey } from '../keys/key-type.ts'
import { Tenant } from '../tenants/schema.ts'
import { ApiKeyConfigInput, TenantConfigInput } from './config-inputs.ts'
import { ApiKeyConfig, TenantConfig } from './config-types.ts'
import { mergeConfig } from './effective-config.ts'
import { EffectiveApiKeyConfig, EffectiveTenantConfig } from './effective-config-types.ts'
import { setKeyConfig } from './set-key-config.ts'
import { setTenantConfig } from './set-tenant-config.ts'
import { readKeyConfig, readTenantConfig } from './stored-config.ts'

builder.prismaObjectFields(Tenant, (t) => ({
  config: t.field({
    type: TenantConfig,
    nullable: true,
    description:
      'What the tenant sets for each of its keys that sets none of its own, and for all of them together. Requires `configs:read`; null without.',
    authScopes: ({ id }, _args, { caller }) => requirePermissionIn(caller, 'configs:read', id),
    resolve: ({ config }) => readTenantConfig(config),
  }),
  effectiveConfig: t.field({
    type: EffectiveTenantConfig,
    nullable: true,
    description:
      'What is in force for a key that sets nothing for itself, and over all keys together. Requires `configs:read`; null without.',
    authScopes: ({ id }, _args, { caller }) => requirePermissionIn(caller, 'configs:read', id),
    resolve: ({ config }, _args, { systemConfig }) => mergeConfig({}, readTenantConfig(config), systemConfig),
  }),
}))

builder.prismaObjectFields(ApiKey, (t) => ({
  config: t.field({
    type: ApiKeyConfig,
    nullable: true,
    description:
      'What the key sets for itself. What it leaves out, its tenant decides. Requires `configs:read`; null without.',
    authScopes: ({ tenantId }, _args, { caller }) => requirePermissionIn(caller, 'configs:read', tenantId),
    resolve: ({ config }) => readKeyConfig(config),
  }),
  effectiveConfig: t.field({
    type: EffectiveApiKeyConfig,
    nullable: true,
    description:
      'What is in force for the key, each value with the level that it comes from. Requires `configs:read`; null without.',
    authScopes: ({ tenantId }, _args, { caller }) => requirePermissionIn(caller, 'configs:read', tenantId),
    select: { config: true, tenant: { select: { config: true } } },
    resolve: ({ config, tenant }, _args, { systemConfig }) =>
      mergeConfig(readKeyConfig(config), readTenantConfig(tenant.config), systemConfig),
  }),
}))

const TenantConfigSetPayload = builder.objectRef<{ tenant: TenantRow }>('TenantConfigSetPayload').implement({
  description: 'The tenant whose configuration was set.',
  fields: (t) => ({
    tenant: t.field({ type: Tenant, description: 'The tenant as it is now.', resolve: ({ tenant }) => tenant }),
  }),
})

builder.mutationFields((t) => ({
  tenantConfigSet: t.field({
    type: TenantConfigSetPayload,
    description:
      'Set what a tenant decides for its keys, also for those that hold permissions; what such a key sets for itself stands above. It counts from the next verification on. Requires `configs:write`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      tenantId: t.arg.id({ required: true, description: 'The tenant.' }),
      input: t.arg({ type: TenantConfigInput, required: true, description: 'What changes.' }),
    },
    resolve: async (_root, { tenantId, input: { expectedVersion, ...change } }, ctx) => ({
      tenant: await ctx.execute(setTenantConfig, { tenantId, change, expectedVersion }),
    }),
  }),
  apiKeyConfigSet: t.field({
    type: changedKeyPayload('ApiKeyConfigSetPayload', 'The key whose configuration was set.'),
    description:
      'Set what a key decides for itself. It counts from the next verification on. Requires `configs:write`, and every permission that the key holds.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyConfigInput, required: true, description: 'What changes.' }),
    },
    resolve: (_root, { id, input: { expectedVersion, ...change } }, ctx) =>
      ctx.execute(setKeyConfig, { id, change, expectedVersion }),
  }),
}))
