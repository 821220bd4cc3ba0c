import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { DOCUMENT_PATH, invalidRow, isRecord } from '../commands/bulk-document.ts'
import type { BulkRow } from '../commands/bulk-result.ts'
import type { InputIssue } from '../errors/keyward-error.ts'
import type { TenantConfig } from './effective-config.ts'
import { findConfigIssues } from './plan-config-change.ts'

/** Where the rows stand in a document of configurations. */
export const CONFIGS_LIST = 'configs'

/**
 * One configuration in a document: what a set mutation takes, and of what. `{"tenant": "<slug>", "config": {…}}` or
 * `{"key": "<id>", "config": {…}}`.
 */
export interface ImportedConfig {
  /** Place of the row in the document. */
  readonly index: number
  /** A tenant is named by its slug, a key by its id as seen from outside; neither need exist. */
  readonly target: { readonly kind: 'tenant' | 'key'; readonly name: string }
  /** Absent: unchanged; null: inherited. */
  readonly change: TenantConfig
  readonly expectedVersion: number | null | undefined
}

export interface ReadConfigs {
  readonly configs: readonly ImportedConfig[]
  readonly failed: readonly BulkRow[]
}

const FIELDS = ['tenant', 'key', 'config']
/** A row can have thousands of entries to be parsed, and verifications are answered between so many rows. */
export const ROWS_PER_TURN = 20

/** Where a row stands in the input. */
export function rowPath(index: number): InputIssue['path'] {
  return [...DOCUMENT_PATH, CONFIGS_LIST, index]
}

/** Reads rows one by one. The first of two that name one thing counts, and the second fails. */
export async function readConfigRows(rows: readonly unknown[]): Promise<ReadConfigs> {
  const configs: ImportedConfig[] = []
  const failed: BulkRow[] = []
  const firstIndexes = new Map<string, number>()
  for (const [index, given] of rows.entries()) {
    if (index % ROWS_PER_TURN === 0) await yieldToOthers()
    const read = readRow(given, index)
    if (!('config' in read)) {
      failed.push(invalidRow(index, read.issues))
      continue
    }
    const { kind, name } = read.config.target
    const firstIndex = firstIndexes.get(`${kind} ${name}`)
    if (firstIndex === undefined) {
      firstIndexes.set(`${kind} ${name}`, index)
      configs.push(read.config)
    } else {
      const detail = `stands in row ${firstIndex} already`
      failed.push(invalidRow(index, [{ path: [...rowPath(index), kind], detail }]))
    }
  }
  return { configs, failed }
}

type ReadRow = { readonly config: ImportedConfig } | { readonly issues: readonly InputIssue[] }

function readRow(given: unknown, index: number): ReadRow {
  const path = rowPath(index)
  if (!isRecord(given)) return { issues: [{ path, detail: 'must be an object with `config` and `tenant` or `key`' }] }
  const issues: InputIssue[] = []
  const refuse = (field: string, detail: string) => issues.push({ path: [...path, field], detail })
  for (const field of Object.keys(given)) {
    if (!FIELDS.includes(field)) refuse(field, 'is no field of a row')
  }
  const { tenant, key, config } = given
  const kind = key === undefined ? 'tenant' : 'key'
  const name = key === undefined ? tenant : key
  if (tenant !== undefined && key !== undefined) refuse('key', 'stands beside `tenant`: name one of them')
  else if (name === undefined) issues.push({ path, detail: 'must name a `tenant` by its slug or a `key` by its id' })
  else if (typeof name !== 'string') refuse(kind, 'must be a text')
  if (!isRecord(config)) {
    refuse('config', 'must be an object with the fields that change')
    return { issues }
  }
  const { expectedVersion, ...change } = config
  issues.push(...findConfigIssues(kind === 'key' ? 'KEY' : 'TENANT', change, [...path, 'config']))
  if (!isVersion(expectedVersion)) {
    issues.push({ path: [...path, 'config', 'expectedVersion'], detail: 'must be a whole number' })
    return { issues }
  }
  if (issues.length > 0 || typeof name !== 'string') return { issues }
  return { config: { index, target: { kind, name }, change, expectedVersion } }
}

function isVersion(value: unknown): value is number | null | undefined {
  return value === undefined || value === null || Number.isInteger(value)
}
