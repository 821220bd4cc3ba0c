import { builder } from '../graphql/builder.ts'
import { BulkPayload } from '../graphql/bulk-payload.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { exportConfigs } from './export-configs.ts'
import { importConfigs } from './import-configs.ts'

const DOCUMENT_SHAPE =
  '`{"version": "1.0.0", "configs": [{"tenant": "<slug>", "config": {"perMinute": 100}}, {"key": "<id>", "config": {"ipAllowlist": ["192.0.2.0/24"]}}]}`'

const ConfigsImportInput = builder.inputType('ConfigsImportInput', {
  description: 'Configurations that are brought in.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'The tenant that is configured, or whose keys are.' }),
    document: t.field({
      type: 'JSON',
      required: true,
      description: `${DOCUMENT_SHAPE}, of at most 10,000 rows and 10 MiB. A row names the tenant or one of its keys, each once. Its \`config\` has the fields of \`TenantConfigInput\` or \`ApiKeyConfigInput\` and means what it means there: what it leaves out is unchanged, null is inherited.`,
    }),
    dryRun: t.boolean({ description: 'Whether only to say what would become of each row; not when absent.' }),
  }),
})

builder.mutationField('configsImport', (t) =>
  t.field({
    type: BulkPayload,
    description:
      'Set the configurations of a tenant and of its keys, each as `tenantConfigSet` or `apiKeyConfigSet` would; one that says what holds already is skipped. They count from the next verification on. A body of more than 1 MiB needs a `Content-Length`. Requires `configs:import`, and every permission that a key holds whose configuration changes.',
    errors: commandErrors('VALIDATION_FAILED', 'NOT_FOUND'),
    args: { input: t.arg({ type: ConfigsImportInput, required: true, description: 'What is brought in.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(importConfigs, input),
  }),
)

builder.queryField('configsExport', (t) =>
  t.field({
    type: 'JSON',
    description: `What a tenant and its keys set, as \`configsImport\` reads it: ${DOCUMENT_SHAPE}. To import it at once changes nothing. It has the tenant and each key that sets something and is not revoked, at most 10,000 rows and 10 MiB; its \`next\` leads to the rest and is null when there is none. Requires \`configs:export\`.`,
    args: {
      tenantId: t.arg.id({ required: true, description: 'Whose configurations.' }),
      after: t.arg.string({ description: '`next` of the document before; from the beginning when absent.' }),
    },
    resolve: (_root, { tenantId, after }, ctx) => ctx.execute(exportConfigs, { tenantId, after }),
  }),
)
