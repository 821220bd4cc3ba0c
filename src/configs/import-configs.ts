import { chunksOf, findDocumentIssues, hashDocument, readDocumentRows } from '../commands/bulk-document.ts'
import { type BulkResult, countBulkRows } from '../commands/bulk-result.ts'
import type { Command, TenantWork } from '../commands/command.ts'
import type { Invalidation } from '../commands/invalidation.ts'
import { recordRejected } from '../keys/bulk-rows.ts'
import { formatPublicId } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { CONFIGS_LIST, type ImportedConfig, type ReadConfigs, readConfigRows } from './config-document.ts'
import { type UpsertedConfigs, upsertKeyConfigs, upsertTenantConfig } from './config-upsert.ts'

export interface ImportConfigsInput {
  readonly tenantId: string
  readonly document?: unknown
  readonly dryRun?: boolean | null | undefined
}

interface PreparedImport extends ReadConfigs {
  readonly documentSha256: string
}

const NAME = 'import-configs'
const PERMISSION = 'configs:import'
/** Ten thousand keys take a few seconds; on a busy database more. */
const TRANSACTION_TIMEOUT_MS = 60_000
/** Keys that are dropped from memory one by one; of more, all keys of the tenant are. */
const EVICTED_KEYS_MAX = 100

/**
 * Set the configurations of a tenant and of its keys from a document, each as a set mutation would: what a row leaves out is
 * unchanged. All that can be set is set in one transaction and counts from the next verification on. One event in the log
 * stands for all rows, with the document's hash; whoever listens is told of each thing that changed. A dry run says what
 * would become of each row and changes nothing.
 */
export const importConfigs: Command<ImportConfigsInput, BulkResult, PreparedImport> = {
  name: NAME,
  transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  access: async ({ tenantId }, find) => ({
    kind: 'tenant',
    permission: PERMISSION,
    tenantId: await findTenantId(find, tenantId),
  }),
  validate: ({ document }) => findDocumentIssues(document, CONFIGS_LIST),
  prepare: async ({ document }) => ({
    documentSha256: await hashDocument(document),
    ...(await readConfigRows(readDocumentRows(document, CONFIGS_LIST))),
  }),
  async execute({ tenantId, ...others }, input, { configs, failed, documentSha256 }) {
    if (tenantId === null) throw new Error(`${NAME} ran outside a tenant.`)
    const work = { ...others, tenantId }
    const dryRun = input.dryRun === true
    const parts = await upsertConfigs({ ...work, dryRun }, configs)
    const rows = [...failed, ...parts.flatMap((part) => part.rows)].sort((one, other) => one.index - other.index)
    return {
      value: { rows },
      audit: [
        {
          tenantId,
          action: 'configs.imported',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id: formatPublicId('Tenant', tenantId) },
          detail: { documentSha256, dryRun, processed: rows.length, ...countBulkRows(rows) },
        },
        ...recordRejected(work, NAME, PERMISSION, rows),
      ],
      events: dryRun ? [] : parts.flatMap((part) => part.events),
      invalidate: dryRun ? [] : planEvictions(tenantId, parts),
    }
  },
}

/** The tenant first, then keys in the order of their ids, so that two imports that meet wait for each other. */
async function upsertConfigs(
  work: TenantWork & { readonly dryRun: boolean },
  configs: readonly ImportedConfig[],
): Promise<readonly UpsertedConfigs[]> {
  const ofTenant = configs.filter(({ target }) => target.kind === 'tenant')
  const ofKeys = configs.filter(({ target }) => target.kind === 'key')
  const parts = [await upsertTenantConfig(work, ofTenant)]
  const ordered = ofKeys.toSorted((one, other) => (one.target.name < other.target.name ? -1 : 1))
  for (const chunk of chunksOf(ordered)) parts.push(await upsertKeyConfigs(work, chunk))
  return parts
}

function planEvictions(tenantId: string, parts: readonly UpsertedConfigs[]): readonly Invalidation[] {
  const evictions = parts.flatMap((part) => part.invalidate)
  return evictions.length > EVICTED_KEYS_MAX ? [{ kind: 'tenant', tenantId }] : evictions
}
