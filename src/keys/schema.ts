import { type Actor, visibleTenantIds } from '../actors/actor.ts'
import type { ApiKey as ApiKeyRow } from '../generated/prisma/client.ts'
import { Environment as EnvironmentValues } from '../generated/prisma/enums.ts'
import { requireTenantUuid } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import { NEWEST_FIRST, pageQuery, parsePage, toConnection } from '../graphql/keyset.ts'
import { planConnectionRows } from '../graphql/row-plan.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { type CreatedKey, createKey } from './create-key.ts'
import { disableKey } from './disable-key.ts'
import { enableKey } from './enable-key.ts'
import { deriveKeyStatus } from './key-status.ts'
import { revokeKey } from './revoke-key.ts'
import { deriveSecretState } from './secret-state.ts'

/** Which keys the caller may see, as a condition on the table of keys. */
export function visibleKeys(actor: Actor): { tenantId?: { in: string[] } } {
  const tenantIds = visibleTenantIds(actor, 'keys:read')
  return tenantIds === 'all' ? {} : { tenantId: { in: [...tenantIds] } }
}

const Environment = builder.enumType('Environment', {
  description: 'Where a key may be used. It is part of the token, so that a test key is recognised at a glance.',
  values: {
    [EnvironmentValues.PRODUCTION]: { description: 'Live traffic; `live` in the token.' },
    [EnvironmentValues.STAGING]: { description: 'The rehearsal before production; `stage` in the token.' },
    [EnvironmentValues.DEVELOPMENT]: { description: "A developer's own work; `dev` in the token." },
    [EnvironmentValues.TEST]: { description: 'Automated tests; `test` in the token.' },
  },
})

const ApiKeyStatus = builder.enumType('ApiKeyStatus', {
  description: 'Whether a key can be valid.',
  values: {
    ACTIVE: { description: 'It can.' },
    DISABLED: { description: 'Not until it is enabled again.' },
    EXPIRED: { description: 'Not any more: its time is over.' },
    REVOKED: { description: 'Never again.' },
  },
})

const ApiKeySecretState = builder.enumType('ApiKeySecretState', {
  description: 'Whether a token stands for its key.',
  values: {
    PENDING: { description: 'It will from its first use on.' },
    ACTIVE: { description: 'It does.' },
    RETIRING: { description: 'It does until `expiresAt`; another took its place.' },
    RETIRED: { description: 'It does not any more.' },
  },
})

/** While a key rotates it has two or three secrets; older ones are not shown. */
const SECRETS_MAX = 10
const newestSecrets = { orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], take: SECRETS_MAX } as const

const ApiKeySecret = builder.prismaObject('ApiKeySecret', {
  description: 'One token of a key, recognisable by how it begins.',
  fields: (t) => ({
    start: t.exposeString('start'),
    state: t.field({
      type: ApiKeySecretState,
      description: 'Whether the token stands for its key.',
      resolve: (secret, _args, { clock }) => deriveSecretState(secret, new Date(clock.now())),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the token was made.' }),
    expiresAt: t.expose('retiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the token stops standing for the key because another took its place; null: with the key.',
    }),
  }),
})

export const ApiKey = builder.prismaNode('ApiKey', {
  description: 'A key: who it stands for, what it may do, until when. Its token is shown once and not kept.',
  id: { field: 'id', description: 'Identifies the key for good, through rotations too.' },
  nullable: true,
  findUnique: (id, { caller }) => ({ id, ...visibleKeys(caller.actor) }),
  fields: (t) => ({
    version: t.exposeInt('version'),
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    start: t.string({
      description: 'How the newest token begins: prefix, environment and the first four characters of the body.',
      select: { secrets: newestSecrets },
      resolve: ({ secrets }) => secrets[0]?.start ?? '',
    }),
    environment: t.expose('environment', { type: Environment }),
    status: t.field({
      type: ApiKeyStatus,
      description: 'Whether the key can be valid.',
      resolve: (key, _args, { clock }) => deriveKeyStatus(key, new Date(clock.now())),
    }),
    ownerId: t.exposeString('ownerId', { nullable: true }),
    scopes: t.exposeStringList('scopes'),
    metadata: t.expose('metadata', { type: 'JSON' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
    disabledAt: t.expose('disabledAt', { type: 'DateTime', nullable: true }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
    revokedReason: t.exposeString('revokedReason', { nullable: true }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When a verdict was last answered for the key, up to a second late; null: never.',
      select: { usage: true },
      resolve: ({ usage }) => usage?.lastUsedAt ?? null,
    }),
    requestCount: t.field({
      type: 'SafeInt',
      description: 'Verdicts answered for the key, of every code, up to a second late.',
      select: { usage: true },
      resolve: ({ usage }) => Number(usage?.requestCount ?? 0n),
    }),
    secrets: t.field({
      type: [ApiKeySecret],
      description: 'The tokens that stand or stood for the key, newest first; at most 10.',
      select: { secrets: newestSecrets },
      resolve: ({ secrets }) => secrets,
    }),
    tenant: t.relation('tenant'),
  }),
})

builder.queryFields((t) => ({
  apiKey: t.prismaField({
    type: ApiKey,
    nullable: true,
    description: 'One key; null when there is none that the caller may see. Requires `keys:read`.',
    authScopes: { authenticated: true },
    args: { id: t.arg.id({ required: true, description: 'The key.' }) },
    resolve: (query, _root, { id }, { caller, prisma }) => {
      const uuid = parsePublicIdOf('ApiKey', id)
      return uuid === null
        ? null
        : prisma.apiKey.findUnique({ ...query, where: { id: uuid, ...visibleKeys(caller.actor) } })
    },
  }),
  apiKeys: t.connection(
    {
      type: ApiKey,
      description: "A tenant's keys, newest first. Requires `keys:read`.",
      authScopes: (_root, { tenantId }) => ({ tenantPermission: { permission: 'keys:read', tenantId } }),
      args: { tenantId: t.arg.id({ required: true, description: 'Whose keys.' }) },
      resolve: async (_root, args, ctx, info) => {
        const page = parsePage(args)
        const { where, ...order } = pageQuery(page, NEWEST_FIRST)
        const ofTenant = { tenantId: requireTenantUuid(args.tenantId) }
        const rows: ApiKeyRow[] = await ctx.prisma.apiKey.findMany({
          ...planConnectionRows(ctx, info),
          ...order,
          where: { ...ofTenant, ...where },
        })
        return { ...toConnection(rows, page, NEWEST_FIRST), count: () => ctx.prisma.apiKey.count({ where: ofTenant }) }
      },
    },
    { name: 'ApiKeyConnection', description: 'A page of keys.' },
    { name: 'ApiKeyEdge', description: 'One key in its place in the list.' },
  ),
}))

const ApiKeyCreateInput = builder.inputType('ApiKeyCreateInput', {
  description: 'A new key.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant that the key belongs to.' }),
    name: t.string({ required: true, description: 'Name for people, unique among live keys of the environment.' }),
    description: t.string({ description: 'What the key is for.' }),
    environment: t.field({ type: Environment, required: true, description: 'Where the key may be used.' }),
    scopes: t.stringList({
      description: "Scopes of the tenant's catalogue, or wildcards over them; none when absent.",
    }),
    ownerId: t.string({ description: 'Your own id of the client that the key stands for.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'When the key stops being valid; never when absent.' }),
    ttlDays: t.int({ description: 'Instead of `expiresAt`: days from now, 1 to 3650.' }),
    metadata: t.field({
      type: 'JSON',
      description: 'A JSON object of your own, up to 4 KiB, which `/verify` answers with.',
    }),
  }),
})

const ApiKeyCreatePayload = builder.objectRef<CreatedKey>('ApiKeyCreatePayload').implement({
  description: 'The key as it was created.',
  fields: (t) => ({
    token: t.exposeString('token', { description: 'The full token. It is shown here and never again: keep it now.' }),
    apiKey: t.field({ type: ApiKey, description: 'The new key.', resolve: ({ apiKey }) => apiKey }),
  }),
})

function changedKeyPayload(name: string, description: string) {
  return builder.objectRef<ApiKeyRow>(name).implement({
    description,
    fields: (t) => ({
      apiKey: t.field({ type: ApiKey, description: 'The key as it is now.', resolve: (apiKey) => apiKey }),
    }),
  })
}

const ApiKeyRevokeInput = builder.inputType('ApiKeyRevokeInput', {
  description: 'Why a key is revoked.',
  fields: (t) => ({ reason: t.string({ required: true, description: 'For the log and for whoever asks later.' }) }),
})

builder.mutationFields((t) => ({
  apiKeyCreate: t.field({
    type: ApiKeyCreatePayload,
    description: 'Create a key. Requires `keys:create`, and every permission that the key is to hold.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: ApiKeyCreateInput, required: true, description: 'The new key.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(createKey, input),
  }),
  apiKeyRevoke: t.field({
    type: changedKeyPayload('ApiKeyRevokePayload', 'The key that was revoked.'),
    description: 'Revoke a key for good. It is denied from the next verification on. Requires `keys:revoke`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyRevokeInput, required: true, description: 'Why.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(revokeKey, { id, ...input }),
  }),
  apiKeyDisable: t.field({
    type: changedKeyPayload('ApiKeyDisablePayload', 'The key that was disabled.'),
    description: 'Disable a key until it is enabled again. Requires `keys:disable`.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { id: t.arg.id({ required: true, description: 'The key.' }) },
    resolve: (_root, { id }, ctx) => ctx.execute(disableKey, { id }),
  }),
  apiKeyEnable: t.field({
    type: changedKeyPayload('ApiKeyEnablePayload', 'The key that was enabled.'),
    description: 'Enable a disabled key; what has expired stays expired. Requires `keys:disable`.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: { id: t.arg.id({ required: true, description: 'The key.' }) },
    resolve: (_root, { id }, ctx) => ctx.execute(enableKey, { id }),
  }),
}))
