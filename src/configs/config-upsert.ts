import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { rowOfError } from '../commands/bulk-document.ts'
import type { BulkRow } from '../commands/bulk-result.ts'
import type { TenantWork } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import type { Invalidation } from '../commands/invalidation.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { DomainEvent } from '../events/event-types.ts'
import { formatPublicId, parsePublicIdOf } from '../public-id.ts'
import { type Grant, requireGrantable } from '../scopes/grantable-scopes.ts'
import { lockTenant } from '../tenants/tenant-store.ts'
import { type ImportedConfig, ROWS_PER_TURN, rowPath } from './config-document.ts'
import { findKeyConfigs, type StoredKeyConfig, updateKeyConfigs } from './config-store.ts'
import type { ConfigSource, TenantConfig } from './effective-config.ts'
import { type ConfigChange, planConfigChange } from './plan-config-change.ts'
import { readTenantConfig } from './stored-config.ts'

export interface UpsertedConfigs {
  readonly rows: readonly BulkRow[]
  readonly events: readonly DomainEvent[]
  readonly invalidate: readonly Invalidation[]
}

type Part = Pick<TenantWork, 'tx' | 'now'> & Grant & { readonly dryRun: boolean }

/** Sets what the tenant decides, from the row that has its slug. No statement without rows; otherwise at most three. */
export async function upsertTenantConfig(part: Part, configs: readonly ImportedConfig[]): Promise<UpsertedConfigs> {
  if (configs.length === 0) return { rows: [], events: [], invalidate: [] }
  const { tx, now, tenantId, dryRun } = part
  const tenant = dryRun
    ? await tx.tenant.findUniqueOrThrow({ where: { id: tenantId } })
    : await lockTenant(tx, tenantId)
  const stored = { version: tenant.version, config: readTenantConfig(tenant.config), revokedAt: null, scopes: [] }
  const publicId = formatPublicId('Tenant', tenantId)
  const rows: BulkRow[] = []
  let change: ConfigChange | null = null
  for (const config of configs) {
    const decided = decideRow(part, 'TENANT', config, config.target.name === tenant.slug ? stored : undefined, publicId)
    rows.push(decided.row)
    change ??= decided.change
  }
  if (change === null) return { rows, events: [], invalidate: [] }
  if (!dryRun) {
    const data = { config: change.config, updatedAt: now, version: { increment: 1 } }
    await tx.tenant.update({ where: { id: tenantId }, data, select: { id: true } })
  }
  return {
    rows,
    events: [{ type: 'config.updated', tenantId, data: { tenantId: publicId, fields: [...change.fields] } }],
    invalidate: [{ kind: 'tenant', tenantId }],
  }
}

/** Sets what keys decide. The rows must be of different keys. Two statements whatever their number, one for a dry run. */
export async function upsertKeyConfigs(part: Part, configs: readonly ImportedConfig[]): Promise<UpsertedConfigs> {
  const { tx, now, tenantId, dryRun } = part
  const ids = configs.flatMap(({ target }) => parsePublicIdOf('ApiKey', target.name) ?? [])
  const keys = await findKeyConfigs(tx, tenantId, ids, { toLook: dryRun })
  const rows: BulkRow[] = []
  const changed: { readonly key: StoredKeyConfig; readonly change: ConfigChange }[] = []
  for (const [place, config] of configs.entries()) {
    if (place % ROWS_PER_TURN === 0) await yieldToOthers()
    const key = keys.get(parsePublicIdOf('ApiKey', config.target.name) ?? '')
    const { row, change } = decideRow(part, 'KEY', config, key, config.target.name)
    rows.push(row)
    if (key !== undefined && change !== null) changed.push({ key, change })
  }
  if (!dryRun && changed.length > 0) {
    const changes = changed.map(({ key, change }) => ({ id: key.id, config: change.config }))
    await updateKeyConfigs(tx, tenantId, now, changes)
  }
  return {
    rows,
    events: changed.map(({ key: { id, name, environment }, change }) => ({
      type: 'api_key.config_changed',
      tenantId,
      data: { apiKeyId: formatPublicId('ApiKey', id), name, environment, fields: [...change.fields] },
    })),
    invalidate: changed.map(({ key }) => ({ kind: 'key', apiKeyId: key.id })),
  }
}

interface StoredConfig {
  readonly version: number
  readonly config: TenantConfig
  /** Of a key; null while it is not revoked. */
  readonly revokedAt: Date | null
  /** Of a key. What a tenant decides is about no key in particular. */
  readonly scopes: readonly string[]
}

interface DecidedRow {
  readonly row: BulkRow
  /** Null when nothing is to be written. */
  readonly change: ConfigChange | null
}

/** What a set mutation would answer. `stored` is undefined for what the tenant does not have. */
function decideRow(
  grant: Grant,
  level: ConfigSource,
  { index, target, change, expectedVersion }: ImportedConfig,
  stored: StoredConfig | undefined,
  id: string,
): DecidedRow {
  const path = [...rowPath(index), 'config']
  try {
    if (stored === undefined) throw targetNotFound(index, target)
    if (stored.revokedAt !== null) throw new KeywardError('CONFLICT', 'The key is revoked, which is final.')
    requireVersion(stored.version, expectedVersion, [...path, 'expectedVersion'])
    const planned = planConfigChange(level, stored.config, change, path)
    if (planned.fields.length === 0) return { row: { index, status: 'SKIPPED', id, error: null }, change: null }
    requireGrantable(grant, stored.scopes)
    return { row: { index, status: 'UPDATED', id, error: null }, change: planned }
  } catch (error) {
    return { row: rowOfError(index, error), change: null }
  }
}

/** In the same words for what is another tenant's. */
function targetNotFound(index: number, { kind }: ImportedConfig['target']): KeywardError {
  const detail = kind === 'key' ? 'There is nothing under this id.' : 'There is nothing under this slug.'
  return new KeywardError('NOT_FOUND', detail, { issues: [{ path: [...rowPath(index), kind], detail }] })
}
