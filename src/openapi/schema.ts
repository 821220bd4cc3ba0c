import type { BulkCounts } from '../commands/bulk-result.ts'
import { builder } from '../graphql/builder.ts'
import type { GraphQLContext } from '../graphql/context.ts'
import { findBytes } from '../graphql/long-texts.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { inTurns } from '../lib/in-turns.ts'
import type { OpenApiAnalysis, StrategyCounts } from './count-strategies.ts'
import type { GeneratedFromOpenApi } from './generate-from-openapi.ts'
import type { GeneratedScope, Strategy } from './generate-scopes.ts'

const OpenApiStrategy = builder.enumType('OpenApiStrategy', {
  description: 'How scopes are derived from the operations of an API.',
  values: {
    PATH_RESOURCE: {
      description: 'By the first segment of the path that is no parameter, and what the method does: `shop:pet:read`.',
    },
    PATH_METHOD: {
      description: 'By the first segment of the path that is no parameter, and the method: `shop:pet_get:read`.',
    },
    TAG: { description: 'By the first tag of the operation, and what the method does: `shop:pet:read`.' },
    OPERATION_ID: { description: 'One for each operation, by its id in snake case: `shop:get_pet_by_id:execute`.' },
  } satisfies Record<Strategy, { description: string }>,
})

type InputFields = Parameters<Parameters<typeof builder.inputType>[1]['fields']>[0]

const sourceFields = (t: InputFields) => ({
  tenantId: t.id({ required: true, description: 'The tenant.' }),
  document: t.string({
    description:
      'OpenAPI 3.0 or 3.1 or Swagger 2.0, as JSON or YAML, at most 16 MiB (16777216 characters). References may not leave it.',
  }),
  url: t.field({
    type: 'URL',
    description: 'Instead of `document`: where it is fetched from, by https, from a public address, within 10 seconds.',
  }),
})

/** A document that came in a large body as its bytes: what stands for it says nothing. */
function takeBytes<Input extends { readonly document?: string | null | undefined }>(
  input: Input,
  { longTexts }: GraphQLContext,
) {
  return { ...input, document: findBytes(longTexts, input.document) ?? input.document }
}

const OpenApiActionInput = builder.inputType('OpenApiActionInput', {
  description: 'What a method does, in the place of the usual.',
  fields: (t) => ({
    method: t.string({ required: true, description: 'Such as `POST`, in upper case; at most 7 characters.' }),
    action: t.string({
      required: true,
      description: 'Last segment of the scope, such as `create`; 1 to 30 characters.',
    }),
  }),
})

const ScopesFromOpenApiInput = builder.inputType('ScopesFromOpenApiInput', {
  description: 'An OpenAPI document, and how scopes are derived from it. Give either `document` or `url`.',
  fields: (t) => ({
    ...sourceFields(t),
    strategy: t.field({ type: OpenApiStrategy, description: 'How; `PATH_RESOURCE` when absent.' }),
    namespace: t.string({
      required: true,
      description: 'First segment of every scope; 1 to 40 characters of `a-z 0-9 _ -`.',
    }),
    wildcards: t.boolean({
      description: 'Whether each resource or tag gets a wildcard; when absent, `PATH_RESOURCE` alone has them.',
    }),
    actions: t.field({
      type: [OpenApiActionInput],
      description:
        'Usually GET, HEAD and OPTIONS `read`, POST, PUT and PATCH `write`, and DELETE does `delete`. One for each method at most; at most 8.',
    }),
    import: t.boolean({
      description: 'Bring the scopes into the catalogue. Requires `openapi:write` in addition.',
    }),
  }),
})

const GeneratedScopeType = builder.objectRef<GeneratedScope>('GeneratedScope').implement({
  description: 'A scope that was derived from an API.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    description: t.exposeString('description', { description: 'The operations that it stands for.' }),
  }),
})

const BulkCountsType = builder.objectRef<BulkCounts>('BulkCounts').implement({
  description: 'How many rows became what.',
  fields: (t) => ({
    created: t.exposeInt('created', { description: 'Rows that made something new.' }),
    updated: t.exposeInt('updated', { description: 'Rows that changed something.' }),
    skipped: t.exposeInt('skipped', { description: 'Rows for which nothing had to be done.' }),
    failed: t.exposeInt('failed', { description: 'Rows that failed.' }),
  }),
})

/** Scopes that are put into an answer in one go, which takes a millisecond or two. */
const SCOPES_AT_ONCE = 100

const ScopesFromOpenApiPayload = builder.objectRef<GeneratedFromOpenApi>('ScopesFromOpenApiPayload').implement({
  description: 'The scopes that were derived.',
  fields: (t) => ({
    title: t.exposeString('title', { description: 'What the API is called.' }),
    version: t.exposeString('version', { description: 'Version of the API.' }),
    operationCount: t.exposeInt('operationCount', { description: 'Operations of the document.' }),
    scopes: t.field({
      type: [GeneratedScopeType],
      description: 'The scopes by name, wildcards among them; at most 20,000.',
      resolve: ({ scopes }) => inTurns(scopes, SCOPES_AT_ONCE),
    }),
    warnings: t.stringList({
      description: 'What could not be derived, or may be other than expected; at most 101.',
      resolve: ({ warnings }) => [...warnings],
    }),
    imported: t.expose('imported', {
      type: BulkCountsType,
      nullable: true,
      description: 'What became of the catalogue; null when nothing was to be imported.',
    }),
  }),
})

builder.mutationField('scopesFromOpenApi', (t) =>
  t.field({
    type: ScopesFromOpenApiPayload,
    description:
      'Derive scopes from an OpenAPI document, and import them if asked to: new ones are created, the descriptions of others brought up to date, none deleted or switched on. The operations are kept in the place of those that the namespace had, so that `/verify` can tell with `requireOperationScope` which scope a method and path need. Requires `openapi:generate`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: { input: t.arg({ type: ScopesFromOpenApiInput, required: true, description: 'From what, and how.' }) },
    resolve: (_root, { input }, ctx) => ctx.execute(ctx.openApi.generate, takeBytes(input, ctx)),
  }),
)

const StrategyCountsType = builder.objectRef<StrategyCounts>('OpenApiStrategyCounts').implement({
  description: 'What one strategy would make of a document.',
  fields: (t) => ({
    strategy: t.expose('strategy', { type: OpenApiStrategy, description: 'The strategy.' }),
    scopeCount: t.exposeInt('scopeCount', { description: 'Scopes in all, wildcards among them.' }),
    wildcardCount: t.exposeInt('wildcardCount', { description: 'Wildcards.' }),
    skippedOperationCount: t.exposeInt('skippedOperationCount', {
      description: 'Operations that could have no scope; `warnings` says why.',
    }),
    warnings: t.stringList({
      description: 'What could not be derived, or may be other than expected; at most 101.',
      resolve: ({ warnings }) => [...warnings],
    }),
  }),
})

const OpenApiAnalysisType = builder.objectRef<OpenApiAnalysis>('OpenApiAnalysis').implement({
  description: 'What is in an OpenAPI document, counted.',
  fields: (t) => ({
    title: t.exposeString('title', { description: 'What the API is called.' }),
    version: t.exposeString('version', { description: 'Version of the API.' }),
    operationCount: t.exposeInt('operationCount', { description: 'Operations of the document.' }),
    strategies: t.field({
      type: [StrategyCountsType],
      description: 'Each of the strategies, which are at most 4.',
      resolve: ({ strategies }) => [...strategies],
    }),
  }),
})

const OpenApiAnalysisInput = builder.inputType('OpenApiAnalysisInput', {
  description: 'An OpenAPI document. Give either `document` or `url`.',
  fields: sourceFields,
})

builder.queryField('openApiAnalysis', (t) =>
  t.field({
    type: OpenApiAnalysisType,
    description: 'What each strategy would make of an OpenAPI document; nothing is kept. Requires `openapi:generate`.',
    authScopes: (_root, { input: { tenantId } }) => ({
      tenantPermission: { permission: 'openapi:generate', tenantId },
    }),
    args: { input: t.arg({ type: OpenApiAnalysisInput, required: true, description: 'The document.' }) },
    resolve: (_root, { input }, ctx) => ctx.openApi.analyze(takeBytes(input, ctx)),
  }),
)
