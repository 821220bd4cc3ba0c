import { requirePermission } from '../actors/require-permission.ts'
import { BULK_TRANSACTION_TIMEOUT_MS, chunksOf } from '../commands/bulk-document.ts'
import { type BulkCounts, type BulkRow, countBulkRows } from '../commands/bulk-result.ts'
import type { Command, TenantWork } from '../commands/command.ts'
import { formatPublicId } from '../public-id.ts'
import { catalogueFull, countRoom } from '../scopes/scope-store.ts'
import { upsertScopes } from '../scopes/scope-upsert.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import type { GeneratedScope, Strategy } from './generate-scopes.ts'
import type { OpenApiGeneration } from './openapi-reader.ts'
import { findNamingIssues, type MethodAction } from './openapi-rules.ts'
import { findSourceIssues, type OpenApiSource, type OpenApiSourceInput } from './openapi-source.ts'
import { replaceOperations } from './operation-store.ts'

export interface GenerateFromOpenApiInput extends OpenApiSourceInput {
  readonly tenantId: string
  readonly namespace: string
  readonly strategy?: Strategy | null | undefined
  readonly wildcards?: boolean | null | undefined
  readonly actions?: readonly MethodAction[] | null | undefined
  readonly import?: boolean | null | undefined
}

export interface GeneratedFromOpenApi {
  readonly title: string
  readonly version: string
  readonly operationCount: number
  readonly scopes: readonly GeneratedScope[]
  readonly warnings: readonly string[]
  /** Null when nothing was to be imported. */
  readonly imported: BulkCounts | null
}

export type GenerateFromOpenApi = Command<GenerateFromOpenApiInput, GeneratedFromOpenApi, OpenApiGeneration>

/**
 * Derive scopes from an API's document, and bring them into the catalogue if asked to. The document is fetched and read
 * before the transaction begins.
 */
export function generateFromOpenApiCommand({ source }: { readonly source: OpenApiSource }): GenerateFromOpenApi {
  return {
    name: 'generate-from-openapi',
    transactionTimeoutMs: BULK_TRANSACTION_TIMEOUT_MS,
    access: async ({ tenantId }, find) => ({
      kind: 'tenant',
      permission: 'openapi:generate',
      tenantId: await findTenantId(find, tenantId),
    }),
    validate: (input) => [...findSourceIssues(input), ...findNamingIssues(input)],
    prepare: (input) => {
      const { namespace, strategy, wildcards, actions } = input
      return source.generate(input, {
        strategy: strategy ?? 'PATH_RESOURCE',
        namespace,
        wildcards,
        actions: Object.fromEntries((actions ?? []).map(({ method, action }) => [method, action])),
      })
    },
    async execute({ tenantId, ...work }, input, generation) {
      if (tenantId === null) throw new Error('generate-from-openapi ran outside a tenant.')
      const { title, version, operationCount, scopes, warnings } = generation
      const strategy = input.strategy ?? 'PATH_RESOURCE'
      const imported =
        input.import === true ? await importGenerated({ ...work, tenantId }, input.namespace, generation) : null
      const counted = { operationCount, scopeCount: scopes.length }
      return {
        value: { title, version, operationCount, scopes, warnings, imported },
        audit: [
          {
            tenantId,
            action: imported === null ? 'openapi.generated' : 'openapi.imported',
            outcome: 'SUCCESS',
            resource: { type: 'Tenant', id: formatPublicId('Tenant', tenantId) },
            detail: { title, version, strategy, namespace: input.namespace, ...counted, ...imported },
          },
        ],
        events: [],
        invalidate: imported === null ? [] : [{ kind: 'tenant', tenantId }],
      }
    },
  }
}

/** What people switched off stays off. The operations are kept, for verifications that ask what method and path need. */
async function importGenerated(
  work: TenantWork,
  namespace: string,
  { basePath, scopes, operations }: OpenApiGeneration,
): Promise<BulkCounts> {
  const { tenantId, actor } = work
  requirePermission(actor, 'openapi:write', tenantId, 'Importing')
  const rows: BulkRow[] = []
  let room = await countRoom(work.tx, tenantId)
  for (const chunk of chunksOf(scopes.map((scope, index) => ({ ...scope, index })))) {
    const upserted = await upsertScopes(work, { tenantId, scopes: chunk, room, dryRun: false })
    const { created, failed } = countBulkRows(upserted.rows)
    // Operations whose scopes are not there could be called by nobody.
    if (failed > 0) throw catalogueFull()
    room -= created
    rows.push(...upserted.rows)
  }
  await replaceOperations(work, { tenantId, namespace, basePath, operations })
  return countBulkRows(rows)
}
