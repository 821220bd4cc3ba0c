import type { InputIssue } from '../../errors/keyward-error.ts'
import { parseScopeName } from '../../scopes/scope-name.ts'
import { ORIGIN_CHARACTERS_MAX } from '../access/origin-rules.ts'
import type { VerifyRequest } from '../verify-request.ts'
import { createVerifyRequestParser, type ParseVerifyRequest } from './parse-verify-request.ts'

/**
 * Reads what a reverse proxy asks about the request that it holds back: a verification, spread over a query that the
 * proxy's operator wrote and headers of which some are the operator's and most are the stranger's who is asking for
 * entry.
 *
 * Everything here turns on that stranger. A proxy that passes headers on passes on also those that the stranger made up
 * (`X-Forwarded-Uri: /public`), and what stands behind the proxy reads the same headers with rules of its own. So nothing that can be
 * read in two ways is read in one:
 *
 * - Two different keys, in whichever headers, are no key. Else one would be verified and the other one used.
 * - Two different values for the method, the URI or the user agent are no value. A rule that needs the value then
 *   denies, and no other rule cares. Two origins, since a request without one passes, are the one that no rule lists.
 * - Headers that are empty count as absent: some proxies clear a header by setting it to nothing.
 *
 * The operator's mistakes are told (the query is refused when it holds anything unknown), because a misspelt
 * `?scope=` would otherwise let everybody in. The stranger's are no problem of the proxy's: nothing in a header makes
 * this fail, for a proxy answers its client 500 when its authorization server answers 400.
 */
export interface ForwardQuery {
  /** All of them are needed. */
  readonly scopes: readonly string[]
  /** The status for limits, quotas and credits. */
  readonly limitStatus: 403 | 429
}

export type ForwardQueryParse =
  | { readonly ok: true; readonly query: ForwardQuery }
  | { readonly ok: false; readonly issues: readonly InputIssue[] }

/** Header names in lower case, each with all its values, as `IncomingMessage.headersDistinct`. */
export type ForwardHeaders = Readonly<Record<string, readonly string[] | undefined>>

export interface ForwardInput {
  readonly headers: ForwardHeaders
  readonly query: ForwardQuery
  /** Null when it is not certain. */
  readonly clientIp: string | null
}

export type ForwardRequestParse =
  | { readonly ok: true; readonly request: VerifyRequest }
  /** The request carries no key, or more than one. */
  | { readonly ok: false; readonly detail: string }

export type ParseForwardRequest = (input: ForwardInput) => ForwardRequestParse

const KEY_HEADER = 'x-api-key'
const VERIFIER_HEADER = 'x-keyward-verifier'
/** RFC 9110 §11.1: the name of a scheme is read in any case. */
const KEY_SCHEME_PATTERN = /^(?:bearer|apikey) +([^ ].*)$/i
const METHOD_HEADERS = ['x-forwarded-method', 'x-original-method']
const URI_HEADERS = ['x-forwarded-uri', 'x-original-uri']
/** What browsers send for an origin that is nobody's (RFC 6454 §7.3). No rule can list it. */
const OPAQUE_ORIGIN = 'null'
/** As in the body of a verification. */
const SCOPES_MAX = 100

/** Reads the query of a request target. */
export function parseForwardQuery(url: string): ForwardQueryParse {
  const start = url.indexOf('?')
  const given = new URLSearchParams(start === -1 ? '' : url.slice(start + 1))
  const scopes = readScopes(given.get('scopes'))
  const limitStatus = readLimitStatus(given.get('limitStatus'))
  const issues = findQueryIssues(given)
  if (typeof scopes === 'string') issues.push({ path: ['scopes'], detail: scopes })
  if (typeof limitStatus === 'string') issues.push({ path: ['limitStatus'], detail: limitStatus })
  if (issues.length > 0 || typeof scopes === 'string' || typeof limitStatus === 'string') return { ok: false, issues }
  return { ok: true, query: { scopes, limitStatus } }
}

/** The token of the verifier; undefined when there is none, or more than one. */
export function readVerifierToken(headers: ForwardHeaders): string | undefined {
  return readOne(headers, [VERIFIER_HEADER])
}

export function createForwardRequestParser(): ParseForwardRequest {
  const parseRequest = createVerifyRequestParser()
  return ({ headers, query, clientIp }) => {
    const keys = readKeys(headers)
    const [key] = keys
    if (key === undefined) return { ok: false, detail: 'The request carries no key.' }
    if (keys.size > 1) return { ok: false, detail: 'The request carries more than one key.' }
    const request = parseWithoutFaults(parseRequest, {
      key,
      scopes: query.scopes,
      ip: clientIp ?? undefined,
      userAgent: readOne(headers, ['user-agent']),
      origin: readOrigin(headers),
      method: readOne(headers, METHOD_HEADERS),
      path: readOne(headers, URI_HEADERS),
    })
    return { ok: true, request }
  }
}

function findQueryIssues(given: URLSearchParams): InputIssue[] {
  const issues: InputIssue[] = []
  for (const name of new Set(given.keys())) {
    if (name !== 'scopes' && name !== 'limitStatus')
      issues.push({ path: [name], detail: 'There is no such parameter.' })
    else if (given.getAll(name).length > 1) issues.push({ path: [name], detail: 'It is given more than once.' })
  }
  return issues
}

/** The names, or what is wrong with them. */
function readScopes(given: string | null): readonly string[] | string {
  if (given === null) return []
  const names = given.split(',')
  if (names.length > SCOPES_MAX) return `It names at most ${SCOPES_MAX} scopes.`
  for (const name of names) {
    const parse = parseScopeName(name)
    if (!parse.ok) return parse.detail
  }
  return names
}

function readLimitStatus(given: string | null): ForwardQuery['limitStatus'] | string {
  if (given === null || given === '429') return 429
  return given === '403' ? 403 : 'It is 403 or 429.'
}

/** All different keys that the headers hold. */
function readKeys(headers: ForwardHeaders): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const value of headers[KEY_HEADER] ?? []) if (value !== '') keys.add(value)
  for (const value of headers.authorization ?? []) {
    const key = KEY_SCHEME_PATTERN.exec(value)?.[1]
    if (key !== undefined) keys.add(key)
  }
  return keys
}

/** The value that all of these headers agree on; undefined when they do not, or when none of them has one. */
function readOne(headers: ForwardHeaders, names: readonly string[]): string | undefined {
  const values = readEach(headers, names)
  const [value] = values
  return values.size === 1 ? value : undefined
}

function readEach(headers: ForwardHeaders, names: readonly string[]): ReadonlySet<string> {
  const values = new Set(names.flatMap((name) => headers[name] ?? []))
  values.delete('')
  return values
}

function readOrigin(headers: ForwardHeaders): string | undefined {
  const origins = readEach(headers, ['origin'])
  const [origin] = origins
  if (origin === undefined) return undefined
  return origins.size === 1 && origin.length <= ORIGIN_CHARACTERS_MAX ? origin : OPAQUE_ORIGIN
}

/** Leaves out what a verification would refuse, such as a URI of 9,000 characters: a rule that needs it denies. */
function parseWithoutFaults(
  parseRequest: ParseVerifyRequest,
  fields: Readonly<Record<string, unknown>>,
): VerifyRequest {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  const parse = parseRequest(Object.fromEntries(given))
  if (parse.ok) return parse.request
  const faulty = new Set(parse.issues.map(({ path }) => path[0]))
  const rest = parseRequest(Object.fromEntries(given.filter(([name]) => !faulty.has(name))))
  if (!rest.ok) throw new Error('A verification without its faulty fields is still faulty.')
  return rest.request
}
