import { isIP } from 'node:net'
import type { InputIssue } from '../../errors/keyward-error.ts'
import { isEnvironment } from '../../keys/environment.ts'
import { createLru, type LruEntry } from '../../lib/lru.ts'
import { parseScopeQuery, type ScopeQuery } from '../../scopes/scope-query.ts'
import type { Tag, VerifyRequest } from '../verify-request.ts'

/**
 * Reads the body of a verification, and each item of a batch. Written by hand: this runs on every request, where a
 * schema library would cost more than the verification itself.
 *
 * Every field is checked even when the rule that uses it is not configured, so that a mistake shows on the first
 * request. Unknown fields are refused: a misspelt `enviroment` would otherwise silently check nothing.
 */
export type VerifyRequestParse =
  | { readonly ok: true; readonly request: VerifyRequest }
  | { readonly ok: false; readonly issues: readonly InputIssue[] }

export type ParseVerifyRequest = (body: unknown) => VerifyRequestParse

type Draft = { -readonly [Field in keyof VerifyRequest]: VerifyRequest[Field] }

/** Takes a field over into the draft, or says what is wrong with it. */
type FieldReader = (draft: Draft, value: unknown) => InputIssue | null

const SCOPES_MAX = 100
const SCOPE_LENGTH_MAX = 100
/** An IPv6 address may carry a zone of any length. */
const IP_LENGTH_MAX = 64
const HEADER_LENGTH_MAX = 2_048
const PATH_LENGTH_MAX = 8_192
const COST_MAX = 1_000_000_000
const TAGS_MAX = 8
const TAG_NAME_LENGTH_MAX = 64
const TAG_VALUE_LENGTH_MAX = 128
/** A body of garbage is told its first faults, not thousands. */
const ISSUES_MAX = 20
/** Services ask with the same few queries over and over, so that nearly none is parsed twice. */
const SCOPE_QUERIES_MAX = 1_000
/** RFC 9110 §9.1: a method is a token. */
const METHOD_PATTERN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/
/** PostgreSQL refuses NUL in text; the other control characters have no place in a label either. */
const CONTROL_PATTERN = /\p{Cc}/u
/** All halves of characters look the same in UTF-8, so that different labels would become one where they are kept. */
const LABEL_RULE = 'Control characters and halves of characters are not allowed.'
const NO_SCOPES: readonly string[] = []

export function createVerifyRequestParser(): ParseVerifyRequest {
  const readers = new Map<string, FieldReader>([
    ['key', readKey],
    ['scopes', readScopes],
    ['scopeQuery', createScopeQueryReader()],
    ['environment', readEnvironment],
    ['ip', readIp],
    ['userAgent', readUserAgent],
    ['origin', readOrigin],
    ['method', readMethod],
    ['path', readPath],
    ['requireOperationScope', readRequireOperationScope],
    ['cost', readCost],
    ['tags', readTags],
  ])

  return (body) => {
    if (!isObject(body)) return { ok: false, issues: [{ path: [], detail: 'It is an object.' }] }
    const draft = createDraft()
    const issues: InputIssue[] = []
    for (const name in body) {
      const reader = readers.get(name)
      const issue = reader === undefined ? faultOf(name, 'There is no such field.') : reader(draft, body[name])
      if (issue !== null && issues.push(issue) === ISSUES_MAX) break
    }
    if (body.key === undefined) issues.unshift(faultOf('key', 'It is required.'))
    return issues.length === 0 ? { ok: true, request: draft } : { ok: false, issues }
  }
}

/** All requests have the same fields in the same order, which lets the engine treat them as one shape. */
function createDraft(): Draft {
  return {
    key: '',
    scopes: NO_SCOPES,
    scopeQuery: undefined,
    environment: undefined,
    ip: undefined,
    userAgent: undefined,
    origin: undefined,
    method: undefined,
    path: undefined,
    requireOperationScope: false,
    cost: 1,
    tags: undefined,
  }
}

/** Any string may be asked about: one that cannot be a key is simply not found. */
function readKey(draft: Draft, value: unknown): InputIssue | null {
  if (typeof value !== 'string') return faultOf('key', 'It is a string.')
  draft.key = value
  return null
}

function readScopes(draft: Draft, value: unknown): InputIssue | null {
  if (!Array.isArray(value)) return faultOf('scopes', 'It is a list of strings.')
  if (value.length > SCOPES_MAX) return faultOf('scopes', `It has at most ${SCOPES_MAX} entries.`)
  const scopes: string[] = []
  for (const [index, scope] of value.entries()) {
    if (!isText(scope, SCOPE_LENGTH_MAX)) return { path: ['scopes', index], detail: textRule(SCOPE_LENGTH_MAX) }
    scopes.push(scope)
  }
  draft.scopes = scopes
  return null
}

interface KnownScopeQuery extends LruEntry {
  readonly query: ScopeQuery
}

function createScopeQueryReader(): FieldReader {
  const known = createLru<string, KnownScopeQuery>({ entriesMax: SCOPE_QUERIES_MAX })
  return (draft, value) => {
    if (typeof value !== 'string') return faultOf('scopeQuery', 'It is a string.')
    const entry = known.get(value)
    if (entry !== undefined) {
      draft.scopeQuery = entry.query
      return null
    }
    const parse = parseScopeQuery(value)
    if (!parse.ok) return faultOf('scopeQuery', parse.detail)
    known.set(value, { query: parse.query, usedLately: false })
    draft.scopeQuery = parse.query
    return null
  }
}

function readEnvironment(draft: Draft, value: unknown): InputIssue | null {
  if (!isEnvironment(value)) return faultOf('environment', 'It is PRODUCTION, STAGING, DEVELOPMENT or TEST.')
  draft.environment = value
  return null
}

function readIp(draft: Draft, value: unknown): InputIssue | null {
  if (!isText(value, IP_LENGTH_MAX) || isIP(value) === 0)
    return faultOf('ip', 'It is an IPv4 or IPv6 address, no port.')
  draft.ip = value
  return null
}

function readUserAgent(draft: Draft, value: unknown): InputIssue | null {
  if (!isText(value, HEADER_LENGTH_MAX)) return faultOf('userAgent', textRule(HEADER_LENGTH_MAX))
  draft.userAgent = value
  return null
}

function readOrigin(draft: Draft, value: unknown): InputIssue | null {
  if (!isText(value, HEADER_LENGTH_MAX)) return faultOf('origin', textRule(HEADER_LENGTH_MAX))
  draft.origin = value
  return null
}

function readMethod(draft: Draft, value: unknown): InputIssue | null {
  if (typeof value !== 'string' || !METHOD_PATTERN.test(value)) return faultOf('method', 'It is an HTTP method.')
  draft.method = value
  return null
}

function readPath(draft: Draft, value: unknown): InputIssue | null {
  if (!isText(value, PATH_LENGTH_MAX)) return faultOf('path', textRule(PATH_LENGTH_MAX))
  if (!value.startsWith('/')) return faultOf('path', 'It starts with `/`.')
  draft.path = value
  return null
}

function readRequireOperationScope(draft: Draft, value: unknown): InputIssue | null {
  if (typeof value !== 'boolean') return faultOf('requireOperationScope', 'It is true or false.')
  draft.requireOperationScope = value
  return null
}

function readCost(draft: Draft, value: unknown): InputIssue | null {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > COST_MAX) {
    return faultOf('cost', `It is an integer from 0 to ${COST_MAX}.`)
  }
  draft.cost = value
  return null
}

function readTags(draft: Draft, value: unknown): InputIssue | null {
  if (!isObject(value)) return faultOf('tags', 'It is an object of strings.')
  const tags: Tag[] = []
  for (const [name, text] of Object.entries(value)) {
    if (tags.length === TAGS_MAX) return faultOf('tags', `It has at most ${TAGS_MAX} entries.`)
    if (name.length === 0 || !isLabel(name, TAG_NAME_LENGTH_MAX)) {
      return faultOf('tags', `Names have 1 to ${TAG_NAME_LENGTH_MAX} characters. ${LABEL_RULE}`)
    }
    if (!isLabel(text, TAG_VALUE_LENGTH_MAX)) {
      return { path: ['tags', name], detail: `${textRule(TAG_VALUE_LENGTH_MAX)} ${LABEL_RULE}` }
    }
    tags.push({ name, value: text })
  }
  if (tags.length > 0) draft.tags = tags
  return null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown, lengthMax: number): value is string {
  return typeof value === 'string' && value.length <= lengthMax
}

function isLabel(value: unknown, lengthMax: number): value is string {
  return isText(value, lengthMax) && !CONTROL_PATTERN.test(value) && value.isWellFormed()
}

function textRule(lengthMax: number): string {
  return `It is a string of at most ${lengthMax} characters.`
}

function faultOf(field: string, detail: string): InputIssue {
  return { path: [field], detail }
}
