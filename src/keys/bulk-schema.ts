import { builder } from '../graphql/builder.ts'
import { BulkPayload } from '../graphql/bulk-payload.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { revokeKeys } from './revoke-keys.ts'
import { ApiKeyUpdateInput } from './schema.ts'

const ApiKeysRevokeInput = builder.inputType('ApiKeysRevokeInput', {
  description: 'Which keys are revoked, and why.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant that the keys belong to.' }),
    ids: t.idList({ required: true, description: 'The keys: at least one and at most 100.' }),
    reason: t.string({
      required: true,
      description: 'For the log and for whoever asks later, at most 500 characters.',
    }),
  }),
})

const ApiKeysUpdateRow = builder.inputType('ApiKeysUpdateRow', {
  description: 'What changes about one of many keys.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The key.' }),
    changes: t.field({ type: ApiKeyUpdateInput, required: true, description: 'What changes.' }),
  }),
})

const ApiKeysUpdateInput = builder.inputType('ApiKeysUpdateInput', {
  description: 'What changes about many keys.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant that the keys belong to.' }),
    keys: t.field({
      type: [ApiKeysUpdateRow],
      required: true,
      description: 'The keys, each once: at least one and at most 100.',
    }),
  }),
})

builder.mutationFields((t) => ({
  apiKeysRevoke: t.field({
    type: BulkPayload,
    description:
      'Revoke many keys for good. They are denied from the next verification on; one that is revoked already is skipped and keeps its reason, so that the call can be sent again. Requires `keys:revoke`.',
    errors: commandErrors('VALIDATION_FAILED', 'NOT_FOUND'),
    args: { input: t.arg({ type: ApiKeysRevokeInput, required: true, description: 'Which, and why.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(revokeKeys, input),
  }),
  apiKeysUpdate: t.field({
    type: BulkPayload,
    description:
      'Change many keys as `apiKeyUpdate` changes one; what would change nothing is skipped. Two keys cannot swap their names. Requires `keys:update`, and every permission that a key is to hold in addition; to let it live longer, every one that it holds.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: ApiKeysUpdateInput, required: true, description: 'What changes.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(ctx.keyCommands.updateMany, input),
  }),
}))
