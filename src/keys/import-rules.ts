import type { BulkRowFailure } from '../commands/bulk-result.ts'
import { findLineFault, findNameFault, normalizeName } from '../lib/text-fault.ts'
import { isScopeName } from '../scopes/scope-name.ts'
import type { Environment } from './environment.ts'
import { KEY_NAME_CHARACTERS_MAX, KEY_OWNER_ID_CHARACTERS_MAX, KEY_SCOPES_MAX } from './key-rules.ts'
import { hashToken, PREFIX_LENGTH_MAX, type TokenHash } from './token.ts'

export type HashEncoding = 'HEX' | 'BASE64' | 'BASE64URL'

/** A key of another system: the hash of its token, and what it is to be here. */
export interface ImportedKeyInput {
  readonly name: string
  /** SHA-256 of the whole token. */
  readonly hash: string
  readonly encoding: HashEncoding
  /** How the token begins, to recognise it by. */
  readonly start?: string | null | undefined
  readonly environment: Environment
  readonly scopes?: readonly string[] | null | undefined
  readonly ownerId?: string | null | undefined
  readonly expiresAt?: Date | null | undefined
}

/** A row that is valid as far as can be seen without looking anything up. */
export interface ImportedKey {
  readonly index: number
  readonly name: string
  readonly environment: Environment
  readonly hash: TokenHash
  /** Empty when the row does not say. */
  readonly start: string
  readonly scopes: readonly string[]
  readonly ownerId: string | null
  readonly expiresAt: Date | null
}

export type ImportedRow =
  | { readonly ok: true; readonly key: ImportedKey }
  | { readonly ok: false; readonly error: BulkRowFailure }

/** Enough to recognise a token by, and far too little of one to be used. */
export const IMPORT_START_CHARACTERS_MAX = 32

/** Where a row's field stands in the input. */
export function importPath(index: number, ...rest: (string | number)[]): (string | number)[] {
  return ['input', 'keys', index, ...rest]
}

/** Reads rows one after another, and remembers those before: a name or a hash counts once per document. */
export function createImportReader(): (input: ImportedKeyInput, index: number) => ImportedRow {
  const rowByHash = new Map<TokenHash, number>()
  const rowByName = new Map<string, number>()

  return (input, index) => {
    const hash = decodeHash(input.hash, input.encoding)
    if (hash === null) return fail(index, 'hash', `must be the 32 bytes of a SHA-256 in ${input.encoding}`)
    const fault = findRowFault(input, hash)
    if (fault !== null) return fail(index, ...fault)

    const name = normalizeName(input.name)
    const sameHash = noteRow(rowByHash, hash, index)
    if (sameHash !== null) return fail(index, 'hash', `is that of row ${sameHash} already`)
    const sameName = noteRow(rowByName, `${input.environment} ${name}`, index)
    if (sameName !== null) return fail(index, 'name', `is that of row ${sameName} already`)
    const { environment, start, scopes, ownerId, expiresAt } = input
    const optional = { start: start ?? '', ownerId: ownerId ?? null, expiresAt: expiresAt ?? null }
    return { ok: true, key: { index, name, environment, hash, scopes: [...new Set(scopes ?? [])], ...optional } }
  }
}

function fail(index: number, field: string, detail: string, at?: number): ImportedRow {
  const path = at === undefined ? importPath(index, field) : importPath(index, field, at)
  return { ok: false, error: { code: 'VALIDATION_FAILED', message: `${field}: ${detail}`, path } }
}

/** The row that came before with the same value, if one did. */
function noteRow(rows: Map<string, number>, value: string, index: number): number | null {
  const before = rows.get(value)
  if (before === undefined) rows.set(value, index)
  return before ?? null
}

function findRowFault(input: ImportedKeyInput, hash: TokenHash): [field: string, detail: string, at?: number] | null {
  const { name, start, ownerId, expiresAt, scopes } = input
  const nameFault = findNameFault(name, KEY_NAME_CHARACTERS_MAX)
  if (nameFault !== null) return ['name', nameFault]
  // A hash gives nothing away, but a token that was put here by mistake would.
  if (start && hashToken(start) === hash) return ['start', 'is the whole token; say only how it begins']
  const startFault = start ? findLineFault(start, IMPORT_START_CHARACTERS_MAX) : null
  if (startFault !== null) return ['start', startFault]
  const ownerFault = ownerId == null ? null : findLineFault(ownerId, KEY_OWNER_ID_CHARACTERS_MAX)
  if (ownerFault !== null) return ['ownerId', ownerFault]
  if ((expiresAt?.getUTCFullYear() ?? 0) > 9999) return ['expiresAt', 'must lie before the year 10000']
  if ((scopes?.length ?? 0) > KEY_SCOPES_MAX) return ['scopes', `must have at most ${KEY_SCOPES_MAX} entries`]
  const odd = scopes?.findIndex((scope) => !isScopeName(scope)) ?? -1
  return odd === -1 ? null : ['scopes', 'is not a scope name such as `orders:read` or `orders:*`', odd]
}

const HEX = /^[0-9a-f]{64}$/i
/** With or without padding, as programs differ in that. */
const BASE64 = /^[0-9A-Za-z+/]{43}=?$/
const BASE64URL = /^[0-9A-Za-z_-]{43}=?$/

/** The hash as it is looked up by; null when the text is not 32 bytes in that encoding. */
export function decodeHash(text: string, encoding: HashEncoding): TokenHash | null {
  if (encoding === 'HEX') return HEX.test(text) ? text.toLowerCase() : null
  const isBase64 = encoding === 'BASE64'
  if (!(isBase64 ? BASE64 : BASE64URL).test(text)) return null
  const bytes = Buffer.from(text, isBase64 ? 'base64' : 'base64url')
  // The last digit has two bits too many: they are zero, or the text is not what was encoded.
  const canonical = bytes.toString(isBase64 ? 'base64' : 'base64url').replace('=', '')
  return canonical === text.replace('=', '') ? bytes.toString('hex') : null
}

/** Stands for tokens of which it is not known how they begin. */
export const ANY_PREFIX = '*'

/**
 * Under which prefix of our own grammar a token with this start could have been made elsewhere; `ANY_PREFIX` when that is
 * not known, null when it cannot be of the grammar. Such a token has no checksum of ours, so under that prefix a wrong
 * checksum proves nothing any more.
 */
export function findImportedPrefix(start: string): string | null {
  const [, prefix] = /^([a-z][a-z0-9]+)_/.exec(start) ?? []
  if (prefix !== undefined) return prefix.length <= PREFIX_LENGTH_MAX ? prefix : null
  return /^(?:[a-z][a-z0-9]*)?$/.test(start) && start.length <= PREFIX_LENGTH_MAX ? ANY_PREFIX : null
}
