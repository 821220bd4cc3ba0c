import { ApiKeyConfigInput } from '../configs/config-inputs.ts'
import { builder } from '../graphql/builder.ts'
import { IDEMPOTENCY_KEY_DESCRIPTION } from '../graphql/idempotency-key.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { changedKeyPayload } from './changed-key-payload.ts'
import type { CreatedKey } from './create-key.ts'
import { CreditsInput } from './credits-schema.ts'
import { deleteKey } from './delete-key.ts'
import { disableKey } from './disable-key.ts'
import { enableKey } from './enable-key.ts'
import { ApiKey, askedKeys, Environment, EXPECTED_KEY_VERSION_DESCRIPTION, KEY_NAME_DESCRIPTION } from './key-type.ts'
import { revokeKey } from './revoke-key.ts'

builder.queryFields((t) => ({
  apiKey: t.prismaField({
    type: ApiKey,
    nullable: true,
    description: 'One key; null when there is none that the caller may see. Requires `keys:read`.',
    authScopes: { authenticated: true },
    args: { id: t.arg.id({ required: true, description: 'The key.' }) },
    resolve: (query, _root, { id }, ctx) => {
      const uuid = parsePublicIdOf('ApiKey', id)
      return uuid === null ? null : ctx.prisma.apiKey.findUnique({ ...query, where: { id: uuid, ...askedKeys(ctx) } })
    },
  }),
}))

const ApiKeyCreateInput = builder.inputType('ApiKeyCreateInput', {
  description: 'A new key.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant that the key belongs to.' }),
    name: t.string({ required: true, description: KEY_NAME_DESCRIPTION }),
    description: t.string({ description: 'What the key is for, at most 1000 characters.' }),
    environment: t.field({ type: Environment, required: true, description: 'Where the key may be used.' }),
    scopes: t.stringList({
      description: "Scopes of the tenant's catalogue, or wildcards over them, at most 200; none when absent.",
    }),
    ownerId: t.string({
      description: 'Your own id of the client that the key stands for, at most 200 characters.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: "When the key stops being valid; when absent, what the tenant's configuration says, or never.",
    }),
    ttlDays: t.int({ description: 'Instead of `expiresAt`: days from now, 1 to 36500.' }),
    metadata: t.field({
      type: 'JSON',
      description: 'A JSON object of your own, up to 4 KiB, which `/verify` answers with.',
    }),
    privateMetadata: t.field({
      type: 'JSON',
      description: 'A JSON object of your own, up to 4 KiB, which is kept encrypted and never part of a verdict.',
    }),
    config: t.field({
      type: ApiKeyConfigInput,
      description:
        "What the key sets for itself; the tenant's configuration decides the rest. Requires `configs:write`.",
    }),
    credits: t.field({
      type: CreditsInput,
      description: 'What the key can spend; when absent, it spends no credits. Requires `credits:write`.',
    }),
    withSigningSecret: t.boolean({ description: 'Whether to make a secret to sign requests with; not when absent.' }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY_DESCRIPTION }),
  }),
})

const ApiKeyCreatePayload = builder.objectRef<CreatedKey>('ApiKeyCreatePayload').implement({
  description: 'The key as it was created.',
  fields: (t) => ({
    token: t.exposeString('token', {
      nullable: true,
      description:
        'The full token. It is shown here and never again: keep it now. Null only when an `idempotencyKey` was sent again more than 10 minutes after the key was created.',
    }),
    signingSecret: t.exposeString('signingSecret', {
      nullable: true,
      description:
        'Secret of signed requests, 64 hex digits. It is shown as long as the token is, and never again; null when none was asked for.',
    }),
    apiKey: t.field({ type: ApiKey, description: 'The new key.', resolve: ({ apiKey }) => apiKey }),
  }),
})

export const ApiKeyUpdateInput = builder.inputType('ApiKeyUpdateInput', {
  description: 'What changes about a key. What is absent stays as it is.',
  fields: (t) => ({
    name: t.string({ description: KEY_NAME_DESCRIPTION }),
    description: t.string({ description: 'What the key is for, at most 1000 characters; null takes it away.' }),
    scopes: t.stringList({
      description:
        "All scopes that the key is to hold, at most 200: of the tenant's catalogue, or wildcards over them. Null takes them all away.",
    }),
    ownerId: t.string({
      description: 'Your own id of the client that the key stands for, at most 200 characters; null takes it away.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When the key stops being valid; null: never. A later time brings an expired key back.',
    }),
    metadata: t.field({
      type: 'JSON',
      description: 'A JSON object of your own, up to 4 KiB, which replaces the one there is; null empties it.',
    }),
    privateMetadata: t.field({
      type: 'JSON',
      description:
        'A JSON object of your own, up to 4 KiB, which replaces the encrypted one there is; null empties it.',
    }),
    expectedVersion: t.int({ description: EXPECTED_KEY_VERSION_DESCRIPTION }),
  }),
})

const REASON_DESCRIPTION = 'For the log and for whoever asks later; one line, at most 500 characters.'

const ApiKeyRevokeInput = builder.inputType('ApiKeyRevokeInput', {
  description: 'Why a key is revoked.',
  fields: (t) => ({
    reason: t.string({
      required: true,
      description: REASON_DESCRIPTION,
    }),
    expectedVersion: t.int({ description: EXPECTED_KEY_VERSION_DESCRIPTION }),
  }),
})

const ApiKeyDisableInput = builder.inputType('ApiKeyDisableInput', {
  description: 'Why a key is disabled.',
  fields: (t) => ({
    reason: t.string({ description: REASON_DESCRIPTION }),
    expectedVersion: t.int({ description: EXPECTED_KEY_VERSION_DESCRIPTION }),
  }),
})

const ApiKeyEnableInput = builder.inputType('ApiKeyEnableInput', {
  description: 'What a key is enabled on.',
  fields: (t) => ({ expectedVersion: t.int({ description: EXPECTED_KEY_VERSION_DESCRIPTION }) }),
})

const ApiKeyDeletePayload = builder.objectRef<string>('ApiKeyDeletePayload').implement({
  description: 'What was deleted.',
  fields: (t) => ({ deletedId: t.id({ description: 'The id that it had.', resolve: (id) => id }) }),
})

builder.mutationFields((t) => ({
  apiKeyCreate: t.field({
    type: ApiKeyCreatePayload,
    description: 'Create a key. Requires `keys:create`, and every permission that the key is to hold.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: ApiKeyCreateInput, required: true, description: 'The new key.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(ctx.keyCommands.create, input),
  }),
  apiKeyUpdate: t.field({
    type: changedKeyPayload('ApiKeyUpdatePayload', 'The key that was changed.'),
    description:
      'Change what a key is called, what it may do and until when. Requires `keys:update`, and every permission that the key is to hold in addition; to let it live longer, every one that it holds.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyUpdateInput, required: true, description: 'What changes.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(ctx.keyCommands.update, { id, ...input }),
  }),
  apiKeyRevoke: t.field({
    type: changedKeyPayload('ApiKeyRevokePayload', 'The key that was revoked.'),
    description:
      'Revoke a key for good. It is denied from the next verification on. One that is revoked already is a `CONFLICT`, since it keeps the reason that it was revoked for. Requires `keys:revoke`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyRevokeInput, required: true, description: 'Why.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(revokeKey, { id, ...input }),
  }),
  apiKeyDelete: t.field({
    type: ApiKeyDeletePayload,
    description:
      "Delete a key for good: its tokens are nobody's from the next verification on. The log keeps what happened to it. Requires `keys:delete`.",
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      confirmName: t.arg.string({
        required: true,
        description: 'The name of the key, at most 100 characters, to confirm.',
      }),
      expectedVersion: t.arg.int({ description: EXPECTED_KEY_VERSION_DESCRIPTION }),
    },
    resolve: (_root, args, ctx) => ctx.execute(deleteKey, args),
  }),
  apiKeyDisable: t.field({
    type: changedKeyPayload('ApiKeyDisablePayload', 'The key that was disabled.'),
    description: 'Disable a key until it is enabled again. Requires `keys:disable`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyDisableInput, description: 'Why; nobody says when absent.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(disableKey, { id, ...input }),
  }),
  apiKeyEnable: t.field({
    type: changedKeyPayload('ApiKeyEnablePayload', 'The key that was enabled.'),
    description:
      'Enable a disabled key; what has expired stays expired. Requires `keys:disable`, and every permission that the key holds.',
    errors: commandErrors('CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyEnableInput, description: 'On what; whatever there is when absent.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(enableKey, { id, ...input }),
  }),
}))
