import { createHash } from 'node:crypto'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { type BulkResult, type BulkRow, type BulkRowFailure, countBulkRows } from '../commands/bulk-result.ts'
import type { Change, Command, TenantWork } from '../commands/command.ts'
import type { Invalidation } from '../commands/invalidation.ts'
import { mergeConfig, type SystemConfig } from '../configs/effective-config.ts'
import { readTenantConfig } from '../configs/stored-config.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { toCanonicalJson } from '../lib/canonical-json.ts'
import { formatPublicId } from '../public-id.ts'
import { findScopeFaults, type ScopeFault } from '../scopes/grantable-scopes.ts'
import { PLATFORM_KEY_PREFIX } from '../tenants/tenant-rules.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { recordRejected } from './bulk-rows.ts'
import {
  createImportReader,
  findImportedPrefix,
  type ImportedKey,
  type ImportedKeyInput,
  importPath,
} from './import-rules.ts'
import {
  findImportObstacles,
  type ImportObstacle,
  insertImportedKeys,
  insertImportedPrefixes,
  type NewImportedKey,
} from './import-store.ts'
import { findExpiryFault, type KeyTtl, resolveExpiry } from './key-expiry.ts'

export interface ImportKeysInput {
  readonly tenantId: string
  readonly keys: readonly ImportedKeyInput[]
  readonly dryRun?: boolean | null | undefined
}

interface ReadDocument {
  readonly keys: readonly ImportedKey[]
  readonly failed: readonly BulkRow[]
  /** SHA-256 of the rows as canonical JSON, in hexadecimal. */
  readonly sha256: string
}

const NAME = 'import-keys'
const PERMISSION = 'keys:import'

export const IMPORT_ROWS_MAX = 10_000
/** Rows that are read, or written, in one go. Verifications are answered in between. */
const CHUNK_ROWS = 1_000
/** Ten chunks take about two seconds; on a busy database more. */
const TRANSACTION_TIMEOUT_MS = 60_000

/**
 * Bring in keys of another system by the hashes of their tokens, so that those tokens go on working. What would keep one
 * key from being created keeps one row out, and the rest comes in all the same; what comes in commits together. A row that
 * came in before, as the same key, is skipped: an import can be sent again. A dry run says what would become of each row and
 * changes nothing.
 */
export function importKeysCommand(deps: {
  readonly systemConfig: SystemConfig
}): Command<ImportKeysInput, BulkResult, ReadDocument> {
  return {
    name: NAME,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
    access: async ({ tenantId }, find) => ({
      kind: 'tenant',
      permission: PERMISSION,
      tenantId: await findTenantId(find, tenantId),
    }),
    validate({ keys }) {
      if (keys.length > 0 && keys.length <= IMPORT_ROWS_MAX) return []
      return [{ path: ['input', 'keys'], detail: `must have 1 to ${IMPORT_ROWS_MAX} rows` }]
    },
    prepare: ({ keys }) => readDocument(keys),
    async execute({ tenantId, ...work }, { dryRun }, document) {
      if (tenantId === null) throw new Error('Keys are imported into a tenant.')
      return importDocument({ ...work, tenantId }, document, dryRun === true, deps.systemConfig)
    },
  }
}

async function readDocument(rows: readonly ImportedKeyInput[]): Promise<ReadDocument> {
  const read = createImportReader()
  const hash = createHash('sha256')
  const keys: ImportedKey[] = []
  const failed: BulkRow[] = []
  for (const [index, row] of rows.entries()) {
    if (index % CHUNK_ROWS === 0) await yieldToOthers()
    hash.update(`${index === 0 ? '[' : ','}${toCanonicalJson(row)}`)
    const result = read(row, index)
    if (result.ok) keys.push(result.key)
    else failed.push(failRow(index, result.error))
  }
  return { keys, failed, sha256: hash.update(']').digest('hex') }
}

async function importDocument(
  work: TenantWork,
  document: ReadDocument,
  dryRun: boolean,
  systemConfig: SystemConfig,
): Promise<Change<BulkResult>> {
  const { tx, tenantId, now } = work
  const tenant = await tx.tenant.findUnique({ where: { id: tenantId }, select: { config: true, isPlatform: true } })
  if (tenant === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  const { keyTtlDaysDefault, keyTtlDaysMax } = mergeConfig({}, readTenantConfig(tenant.config), systemConfig)
  const rules: ImportRules = {
    now,
    ttl: { defaultDays: keyTtlDaysDefault.value, maxDays: keyTtlDaysMax.value },
    mayUsePlatformPrefix: tenant.isPlatform,
    scopeFaults: await findScopeFaults(
      tx,
      work,
      document.keys.flatMap(({ scopes }) => scopes),
    ),
  }

  const rows = [...document.failed]
  const prefixes = new Set<string>()
  for (let first = 0; first < document.keys.length; first += CHUNK_ROWS) {
    const chunk = await importChunk(work, document.keys.slice(first, first + CHUNK_ROWS), rules, dryRun)
    for (const row of chunk.rows) rows.push(row)
    for (const { start } of chunk.created) {
      const prefix = findImportedPrefix(start)
      if (prefix !== null) prefixes.add(prefix)
    }
  }
  rows.sort((a, b) => a.index - b.index)
  if (!dryRun) await insertImportedPrefixes(tx, [...prefixes])
  const { created, skipped, failed } = countBulkRows(rows)
  const counts = { created, skipped, failed, documentSha256: document.sha256 }
  const publicId = formatPublicId('Tenant', tenantId)
  return {
    value: { rows },
    audit: [
      {
        tenantId,
        action: 'api_key.imported',
        outcome: 'SUCCESS',
        resource: { type: 'Tenant', id: publicId },
        detail: { ...counts, dryRun, processed: rows.length },
      },
      ...recordRejected(work, NAME, PERMISSION, rows),
    ],
    events:
      created > 0 && !dryRun ? [{ type: 'api_key.imported', tenantId, data: { tenantId: publicId, ...counts } }] : [],
    invalidate: created > 0 && !dryRun ? listInvalidations(prefixes) : [],
  }
}

/** The tokens may have been looked up in vain before, and refused for their checksum from now on. */
function listInvalidations(prefixes: ReadonlySet<string>): readonly Invalidation[] {
  return [...prefixes].map((prefix): Invalidation => ({ kind: 'importedPrefix', prefix })).concat({ kind: 'unknown' })
}

interface ImportRules {
  readonly now: Date
  readonly ttl: KeyTtl
  readonly mayUsePlatformPrefix: boolean
  readonly scopeFaults: ReadonlyMap<string, ScopeFault>
}

async function importChunk(
  work: TenantWork,
  keys: readonly ImportedKey[],
  rules: ImportRules,
  dryRun: boolean,
): Promise<{ readonly rows: readonly BulkRow[]; readonly created: readonly ImportedKey[] }> {
  const { tx, tenantId, newId } = work
  const rows: BulkRow[] = []
  const fresh: NewImportedKey[] = []
  const obstacles = new Map((await findImportObstacles(tx, tenantId, keys)).map((one) => [one.index, one]))
  for (const key of keys) {
    const expiresAt = resolveExpiry(key, rules.now, rules.ttl)
    const decided = decideRow({ ...key, expiresAt }, rules, obstacles.get(key.index), tenantId)
    if (decided === null) fresh.push({ ...key, expiresAt, id: newId() })
    else rows.push(decided)
  }
  const written = dryRun || fresh.length === 0 ? null : await insertImportedKeys(work, tenantId, fresh)
  const created = fresh.filter(({ id }) => written === null || written.has(id))
  for (const key of fresh) {
    const { index, id } = key
    const isThere = written === null || written.has(id)
    // In a dry run no key has been given its id.
    if (isThere) rows.push({ index, status: 'CREATED', id: dryRun ? null : formatPublicId('ApiKey', id), error: null })
    else rows.push(failRow(index, conflict(index, 'name', 'or the hash was taken by somebody else just now')))
  }
  return { rows, created }
}

/** What keeps a row out, or that it is in already; null when it can come in. */
function decideRow(
  key: ImportedKey,
  { now, ttl, mayUsePlatformPrefix, scopeFaults }: ImportRules,
  obstacle: ImportObstacle | undefined,
  tenantId: string,
): BulkRow | null {
  const { index, name, environment, start } = key
  const expiryFault = findExpiryFault(key.expiresAt, now, now, ttl.maxDays)
  if (obstacle?.holder != null) {
    const { holder } = obstacle
    const isSame = holder.tenantId === tenantId && holder.name === name && holder.environment === environment
    if (isSame) return { index, status: 'SKIPPED', id: formatPublicId('ApiKey', holder.id), error: null }
    // In the same words for a key of another tenant, of which nothing is told.
    return failRow(index, conflict(index, 'hash', 'is that of another key already'))
  }
  if (!mayUsePlatformPrefix && start.startsWith(`${PLATFORM_KEY_PREFIX}_`)) {
    return failRow(index, invalid(index, ['start'], `\`${PLATFORM_KEY_PREFIX}\` is the platform's own prefix`))
  }
  if (expiryFault !== null) return failRow(index, invalid(index, ['expiresAt'], expiryFault))
  for (const [at, scope] of key.scopes.entries()) {
    const fault = scopeFaults.get(scope)
    if (fault === undefined) continue
    return failRow(index, { code: fault.code, message: fault.detail, path: importPath(index, 'scopes', at) })
  }
  if (obstacle === undefined) return null
  return failRow(index, conflict(index, 'name', `\`${name}\` is the name of another key for ${environment} already`))
}

function failRow(index: number, error: BulkRowFailure): BulkRow {
  return { index, status: 'FAILED', id: null, error }
}

function conflict(index: number, field: string, detail: string): BulkRowFailure {
  return { code: 'CONFLICT', message: `${field}: ${detail}`, path: importPath(index, field) }
}

function invalid(index: number, [field]: readonly [string], detail: string): BulkRowFailure {
  return { code: 'VALIDATION_FAILED', message: `${field}: ${detail}`, path: importPath(index, field) }
}
