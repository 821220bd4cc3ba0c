import { builder } from '../graphql/builder.ts'
import { BulkPayload } from '../graphql/bulk-payload.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { Environment, KEY_NAME_DESCRIPTION } from './key-type.ts'

const HashEncoding = builder.enumType('HashEncoding', {
  description: 'How the 32 bytes of a hash are written.',
  values: {
    HEX: { description: '64 hexadecimal digits.' },
    BASE64: { description: 'Base64 with `+` and `/`, with or without padding.' },
    BASE64URL: { description: 'Base64 with `-` and `_`, with or without padding.' },
  },
})

const ApiKeyImportRow = builder.inputType('ApiKeyImportRow', {
  description: 'A key of another system.',
  fields: (t) => ({
    name: t.string({ required: true, description: KEY_NAME_DESCRIPTION }),
    hash: t.string({
      required: true,
      description: 'SHA-256 of the whole token: 43 to 64 characters. The token may be any string of at most 1024.',
    }),
    encoding: t.field({ type: HashEncoding, required: true, description: 'How `hash` is written.' }),
    start: t.string({
      description:
        'How the token begins, at most 32 characters, to recognise it by. With it, mistyped tokens of this form go on being refused without a look-up.',
    }),
    environment: t.field({ type: Environment, required: true, description: 'Where the key may be used.' }),
    scopes: t.stringList({
      description: "Scopes of the tenant's catalogue, or wildcards over them, at most 200; none when absent.",
    }),
    ownerId: t.string({ description: 'Your own id of the client that the key stands for, at most 200 characters.' }),
    expiresAt: t.field({
      type: 'DateTime',
      description: "When the key stops being valid; when absent, what the tenant's configuration says, or never.",
    }),
  }),
})

const ApiKeysImportInput = builder.inputType('ApiKeysImportInput', {
  description: 'Keys of another system.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant that the keys are to belong to.' }),
    keys: t.field({ type: [ApiKeyImportRow], required: true, description: 'The keys: at least 1 and at most 10,000.' }),
    dryRun: t.boolean({ description: 'Whether only to say what would become of each row; not when absent.' }),
  }),
})

builder.mutationFields((t) => ({
  apiKeysImport: t.field({
    type: BulkPayload,
    description:
      'Bring in keys of another system by the hashes of their tokens, which then go on working. A row whose hash is that of the same key already is skipped. Requires `keys:import`, and every permission that a key is to hold.',
    errors: commandErrors('VALIDATION_FAILED', 'NOT_FOUND'),
    args: { input: t.arg({ type: ApiKeysImportInput, required: true, description: 'The keys.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(ctx.keyCommands.import, input),
  }),
}))
