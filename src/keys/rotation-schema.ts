import { mergeConfig } from '../configs/effective-config.ts'
import { readKeyConfig, readTenantConfig } from '../configs/stored-config.ts'
import { builder } from '../graphql/builder.ts'
import { IDEMPOTENCY_KEY_DESCRIPTION } from '../graphql/idempotency-key.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { ApiKey, EXPECTED_KEY_VERSION_DESCRIPTION, shownSecrets } from './key-type.ts'
import type { RotatedKey } from './rotate-key.ts'
import { findRotationDueAt } from './rotation-policy.ts'

builder.prismaObjectField(ApiKey, 'rotationDueAt', (t) =>
  t.field({
    type: 'DateTime',
    nullable: true,
    description:
      'When the rotation policy that is in force asks for another token; null when none is, and for a key without a token that goes on counting.',
    select: { config: true, tenant: { select: { config: true } }, secrets: shownSecrets },
    resolve: ({ config, tenant, secrets }, _args, { systemConfig }) => {
      const effective = mergeConfig(readKeyConfig(config), readTenantConfig(tenant.config), systemConfig)
      return findRotationDueAt(effective.rotation.value, secrets)
    },
  }),
)

const RotationActivation = builder.enumType('RotationActivation', {
  description: 'When a new token begins to count and the grace of those before it begins to run.',
  values: {
    IMMEDIATELY: { description: 'Now.' },
    ON_FIRST_USE: { description: 'When the new token is first used. Until then the others count on.' },
  } as const,
})

const ApiKeyRotateInput = builder.inputType('ApiKeyRotateInput', {
  description: 'How a key changes its token.',
  fields: (t) => ({
    gracePeriodSeconds: t.int({
      description:
        "How long the tokens before it go on counting, 0 to 2592000 (30 days), never longer than the key; when absent, as the key's rotation policy says, or not at all.",
    }),
    activate: t.field({
      type: RotationActivation,
      description: 'When the new token begins to count; now when absent.',
    }),
    expectedVersion: t.int({ description: EXPECTED_KEY_VERSION_DESCRIPTION }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY_DESCRIPTION }),
  }),
})

const ApiKeyRotatePayload = builder.objectRef<RotatedKey>('ApiKeyRotatePayload').implement({
  description: 'The key with its new token.',
  fields: (t) => ({
    token: t.exposeString('token', {
      nullable: true,
      description:
        'The full token. It is shown here and never again: keep it now. Null only when an `idempotencyKey` was sent again more than 10 minutes after the rotation.',
    }),
    apiKey: t.field({ type: ApiKey, description: 'The key as it is now.', resolve: ({ apiKey }) => apiKey }),
  }),
})

builder.mutationField('apiKeyRotate', (t) =>
  t.field({
    type: ApiKeyRotatePayload,
    description:
      'Give a key a new token; its id, rules, limits and credits stay. One that still waits for its first use ends at once. Requires `keys:rotate`, and every permission that the key holds.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyRotateInput, required: true, description: 'How.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(ctx.keyCommands.rotate, { id, ...input }),
  }),
)
