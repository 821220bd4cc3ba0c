import { type Actor, visibleTenantIds } from '../actors/actor.ts'
import { Environment as EnvironmentValues } from '../generated/prisma/enums.ts'
import { requirePermissionIn, requireTenantIdsWith } from '../graphql/authorization.ts'
import { builder } from '../graphql/builder.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import { deriveKeyStatus } from './key-status.ts'
import { LIVE_SECRETS_MAX } from './rotation-rules.ts'
import { deriveSecretState } from './secret-state.ts'

/** Which keys the caller may see, as a condition on the table of keys. */
export function visibleKeys(actor: Actor): { tenantId?: { in: string[] } } {
  return belongingTo(visibleTenantIds(actor, 'keys:read'))
}

/** The same for who asks for one key. Throws FORBIDDEN when it may see none of its own tenants' keys. */
export function askedKeys({ caller }: Pick<GraphQLContext, 'caller'>): { tenantId?: { in: string[] } } {
  return belongingTo(requireTenantIdsWith(caller, 'keys:read'))
}

function belongingTo(tenantIds: 'all' | readonly string[]): { tenantId?: { in: string[] } } {
  return tenantIds === 'all' ? {} : { tenantId: { in: [...tenantIds] } }
}

/** The one description of the input field `name` of a key. */
export const KEY_NAME_DESCRIPTION =
  'Name for people, at most 100 characters; unique among the keys of the environment that are not revoked.'

/** The one description of what a change to a key is held against. */
export const EXPECTED_KEY_VERSION_DESCRIPTION = 'Refuse the change when this is not the version of the key any more.'

export const Environment = builder.enumType('Environment', {
  description: 'Where a key may be used. It is part of the token, so that a test key is recognised at a glance.',
  values: {
    [EnvironmentValues.PRODUCTION]: { description: 'Live traffic; `live` in the token.' },
    [EnvironmentValues.STAGING]: { description: 'The rehearsal before production; `stage` in the token.' },
    [EnvironmentValues.DEVELOPMENT]: { description: "A developer's own work; `dev` in the token." },
    [EnvironmentValues.TEST]: { description: 'Automated tests; `test` in the token.' },
  },
})

export const ApiKeyStatus = builder.enumType('ApiKeyStatus', {
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

/** All that still count, the newest first, then those that retired last; the newest of all is always among the former. */
export const shownSecrets = {
  orderBy: [{ retiresAt: { sort: 'desc', nulls: 'first' } }, { createdAt: 'desc' }, { id: 'desc' }],
  take: LIVE_SECRETS_MAX,
} as const

/** Of a token that was imported it is known only if it was told. */
function shownStart(start: string | undefined): string | null {
  return start === undefined || start === '' ? null : start
}

const ApiKeySecret = builder.prismaObject('ApiKeySecret', {
  description: 'One token of a key, recognisable by how it begins.',
  fields: (t) => ({
    start: t.string({
      nullable: true,
      description:
        'Prefix, environment and the first four characters of the body, to tell tokens apart. Null for one that was imported without.',
      resolve: ({ start }) => shownStart(start),
    }),
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
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a verdict was last answered for the token, up to a second late; null: never.',
    }),
    leakedAt: t.expose('leakedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last told that the token was found in public; null: never.',
    }),
  }),
})

export const ApiKey = builder.prismaNode('ApiKey', {
  description: 'A key: who it stands for, what it may do, until when. Its token is shown once and not kept.',
  id: { field: 'id', description: 'Identifies the key for good, through rotations too.' },
  nullable: true,
  findUnique: (id, ctx) => (ctx.changedIds.has(id) ? { id } : { id, ...askedKeys(ctx) }),
  fields: (t) => ({
    version: t.exposeInt('version'),
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    start: t.string({
      nullable: true,
      description:
        'How the newest token begins: prefix, environment and the first four characters of the body. Null for one that was imported without.',
      select: { secrets: shownSecrets },
      resolve: ({ secrets }) => shownStart(secrets[0]?.start),
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
    privateMetadata: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'A JSON object of your own that is kept encrypted and never part of a verdict; null: none. Requires `private-metadata:read`; null without.',
      authScopes: ({ tenantId }, _args, { caller }) => requirePermissionIn(caller, 'private-metadata:read', tenantId),
      resolve: ({ id, sealedPrivateMetadata }, _args, { openPrivateMetadata }) =>
        openPrivateMetadata(id, sealedPrivateMetadata),
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
    disabledAt: t.expose('disabledAt', { type: 'DateTime', nullable: true }),
    disabledReason: t.exposeString('disabledReason', { nullable: true }),
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
      description: 'The tokens that stand for the key, newest first, then those that stood for it last; at most 10.',
      select: { secrets: shownSecrets },
      resolve: ({ secrets }) => secrets,
    }),
    tenant: t.relation('tenant'),
  }),
})
