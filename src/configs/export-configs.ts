import { BULK_DOCUMENT_BYTES_MAX, BULK_DOCUMENT_VERSION, BULK_ROWS_MAX } from '../commands/bulk-document.ts'
import { defineTenantCommand } from '../commands/command.ts'
import { formatPublicId, parsePublicIdOf } from '../public-id.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { listKeyConfigs } from './config-store.ts'
import type { KeyConfig, TenantConfig } from './effective-config.ts'
import { readTenantConfig } from './stored-config.ts'

export interface ExportConfigsInput {
  readonly tenantId: string
  /** `next` of the document before; the first document when absent. */
  readonly after?: string | null | undefined
}

type ExportedRow =
  | { readonly tenant: string; readonly config: TenantConfig }
  | { readonly key: string; readonly config: KeyConfig }

export interface ConfigDocument {
  readonly version: string
  readonly configs: readonly ExportedRow[]
  /** To be sent as `after` for the rest; null when this was all. */
  readonly next: string | null
}

/** `{"key":"key_…","config":},` around a config. */
const ROW_BYTES = 64
/** `{"version":…,"configs":[…],"next":…}` around the rows. */
const DOCUMENT_BYTES = 256

/**
 * What a tenant and its keys set, as a document that can be imported: the tenant first, then each key that sets something and is
 * not revoked. What would be more than one import takes comes in parts, which are not read at one moment. That somebody
 * took it out is recorded; hence a command.
 */
export const exportConfigs = defineTenantCommand<ExportConfigsInput, ConfigDocument>({
  name: 'export-configs',
  permission: 'configs:export',
  tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
  validate({ after }) {
    if (after == null || parsePublicIdOf('ApiKey', after) !== null) return []
    return [{ path: ['after'], detail: 'must be `next` of an export' }]
  },
  async execute({ tx, tenantId }, { after }) {
    const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { slug: true, config: true } })
    const first = after == null ? [{ tenant: tenant.slug, config: readTenantConfig(tenant.config) }] : []
    const { rows, hasMore } = await listKeyConfigs(tx, tenantId, {
      after: after == null ? null : parsePublicIdOf('ApiKey', after),
      rowsMax: BULK_ROWS_MAX - first.length,
      bytesMax: BULK_DOCUMENT_BYTES_MAX - Buffer.byteLength(JSON.stringify(first)) - DOCUMENT_BYTES,
      rowBytes: ROW_BYTES,
    })
    const keys = rows.map(({ id, config }) => ({ key: formatPublicId('ApiKey', id), config }))
    const next = hasMore ? (keys.at(-1)?.key ?? null) : null
    return {
      value: { version: BULK_DOCUMENT_VERSION, configs: [...first, ...keys], next },
      audit: [
        {
          tenantId,
          action: 'configs.exported',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id: formatPublicId('Tenant', tenantId) },
          detail: { count: first.length + keys.length, after: after ?? null, next },
        },
      ],
      events: [],
      invalidate: [],
    }
  },
})
