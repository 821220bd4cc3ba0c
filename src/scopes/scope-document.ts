import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { BULK_CHUNK_ROWS, DOCUMENT_PATH, invalidRow, isRecord } from '../commands/bulk-document.ts'
import type { BulkRow } from '../commands/bulk-result.ts'
import type { InputIssue } from '../errors/keyward-error.ts'
import { validateScope } from './scope-rules.ts'

/** Where the rows stand in a document of scopes. */
export const SCOPES_LIST = 'scopes'

/** What a row says of a scope. What it leaves out is unchanged, or what a new scope has. */
export interface ImportedScope {
  /** Place of the row in the document. */
  readonly index: number
  readonly name: string
  readonly description?: string | null | undefined
  readonly category?: string | null | undefined
  readonly active?: boolean | undefined
}

export interface ReadScopes {
  readonly scopes: readonly ImportedScope[]
  readonly failed: readonly BulkRow[]
}

/** Other spellings of fields, as other systems export them. */
const ALIASES: Readonly<Record<string, string>> = { scope_name: 'name', is_active: 'active' }
const FIELDS = ['name', 'description', 'category', 'active']

/** Reads rows one by one. The first of two that have one name counts, and the second fails. */
export async function readScopeRows(rows: readonly unknown[]): Promise<ReadScopes> {
  const scopes: ImportedScope[] = []
  const failed: BulkRow[] = []
  const firstIndexes = new Map<string, number>()
  for (const [index, given] of rows.entries()) {
    if (index % BULK_CHUNK_ROWS === 0) await yieldToOthers()
    const path = [...DOCUMENT_PATH, SCOPES_LIST, index]
    const { fields, issues } = readFields(given, path)
    const scope = issues.length === 0 ? toScope(index, fields) : null
    const faults = scope === null ? issues : validateScope(scope, path)
    const firstIndex = scope === null ? undefined : firstIndexes.get(scope.name)
    if (scope === null || faults.length > 0) failed.push(invalidRow(index, faults))
    else if (firstIndex !== undefined) {
      const detail = `\`${scope.name}\` stands in row ${firstIndex} already`
      failed.push(invalidRow(index, [{ path: [...path, 'name'], detail }]))
    } else {
      firstIndexes.set(scope.name, index)
      scopes.push(scope)
    }
  }
  return { scopes, failed }
}

interface ReadFields {
  readonly fields: Readonly<Record<string, unknown>>
  readonly issues: readonly InputIssue[]
}

/** The fields under the names that we have for them, and what is wrong with their types. */
function readFields(given: unknown, path: InputIssue['path']): ReadFields {
  if (!isRecord(given)) return { fields: {}, issues: [{ path, detail: 'must be an object with `name`' }] }
  const fields: Record<string, unknown> = {}
  const issues: InputIssue[] = []
  const refuse = (field: string, detail: string) => issues.push({ path: [...path, field], detail })
  for (const [spelling, value] of Object.entries(given)) {
    const name = Object.hasOwn(ALIASES, spelling) ? (ALIASES[spelling] ?? spelling) : spelling
    if (!FIELDS.includes(name)) refuse(spelling, 'is no field of a scope')
    else if (Object.hasOwn(fields, name)) refuse(spelling, `says \`${name}\` a second time`)
    else fields[name] = value
  }
  const { name, description, category, active } = fields
  if (typeof name !== 'string') refuse('name', 'must be a text')
  if (description != null && typeof description !== 'string') refuse('description', 'must be a text or null')
  if (category != null && typeof category !== 'string') refuse('category', 'must be a text or null')
  if (active != null && typeof active !== 'boolean') refuse('active', 'must be true or false')
  return { fields, issues }
}

/** Meant for fields whose types are right. */
function toScope(index: number, { name, description, category, active }: ReadFields['fields']): ImportedScope {
  return {
    index,
    name: name as string,
    description: description as string | null | undefined,
    category: category as string | null | undefined,
    active: (active ?? undefined) as boolean | undefined,
  }
}
