import { builder } from '../graphql/builder.ts'
import { BulkPayload } from '../graphql/bulk-payload.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { exportScopes } from './export-scopes.ts'
import { importScopes } from './import-scopes.ts'

const DOCUMENT_SHAPE =
  '`{"version": "1.0.0", "scopes": [{"name": "orders:read", "description": "…", "category": "…", "active": true}]}`'

const ScopesImportInput = builder.inputType('ScopesImportInput', {
  description: 'A catalogue of scopes that is brought in.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant whose catalogue it goes into.' }),
    document: t.field({
      type: 'JSON',
      required: true,
      description: `${DOCUMENT_SHAPE}, of at most 10,000 rows and 10 MiB. A field that a row leaves out is unchanged; \`scope_name\` and \`is_active\` are read too.`,
    }),
    dryRun: t.boolean({ description: 'Whether only to say what would become of each row; not when absent.' }),
  }),
})

builder.mutationField('scopesImport', (t) =>
  t.field({
    type: BulkPayload,
    description:
      'Bring scopes into a catalogue by their names: new ones are created, others changed where they differ, none deleted. A catalogue holds at most 50,000; the rows that would be more fail. A body of more than 1 MiB needs a `Content-Length`. Requires `scopes:import`.',
    errors: commandErrors('VALIDATION_FAILED', 'NOT_FOUND'),
    args: { input: t.arg({ type: ScopesImportInput, required: true, description: 'What is brought in.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(importScopes, input),
  }),
)

builder.queryField('scopesExport', (t) =>
  t.field({
    type: 'JSON',
    description: `A catalogue by the names of its scopes, as \`scopesImport\` reads it: ${DOCUMENT_SHAPE}. To import it again changes nothing. It has at most 10,000 rows and 10 MiB; its \`next\` leads to the rest and is null when there is none. Requires \`scopes:export\`.`,
    args: {
      tenantId: t.arg.id({ required: true, description: 'Whose catalogue.' }),
      after: t.arg.string({ description: '`next` of the document before; from the beginning when absent.' }),
    },
    resolve: (_root, { tenantId, after }, ctx) => ctx.execute(exportScopes, { tenantId, after }),
  }),
)
