/**
 * CORS origins, checked against the `Origin` header that the protected service passes on (RFC 6454, Fetch standard).
 *
 * Entries:
 * - `https://app.example.com`, `http://localhost:3000`: that origin. Scheme, host and port all count; the default port of
 *   http and https may be written or not.
 * - `https://*.example.com`: every subdomain at any depth, but not `https://example.com` itself, which is listed beside it.
 *   The `*` stands for whole labels at the start of the host and needs two labels after it (or `localhost`), so that
 *   nobody opens all of `.com` by a slip.
 * - `*`: no restriction at all, as in CORS.
 *
 * A request without an origin passes, unlike with every other rule whose input is missing. Only browsers send an origin,
 * and they always do where it counts; a call from server to server has none. Denying it would shut out the tenant's own
 * servers and nobody else: whoever steals a key can leave the header out or forge it. The rule keeps a key out of other
 * people's pages, it does not prove who calls. The opaque origin `null` is no identity (any sandboxed frame has it), so
 * it cannot be listed and passes under `*` alone.
 */

import { acceptEntry, type EntryIssue, type RuleEntry, readEntries, refuseEntry } from './rule-entry.ts'

export const CORS_ORIGINS_MAX = 200

/** A host has at most 253 characters (RFC 1035 section 2.3.4); scheme and port fit beside it. */
export const ORIGIN_CHARACTERS_MAX = 300

export type OriginRules = {
  /** Canonical origins, and wildcards as `https://*.example.com`. */
  readonly origins: ReadonlySet<string>
  readonly hasWildcards: boolean
}

/**
 * A canonical origin: scheme, host, optional port, and nothing that could carry a second host behind the first (user
 * info, path, query, backslash). Every quantifier is followed by a character outside its class, so it cannot backtrack far.
 */
const ORIGIN_GRAMMAR =
  /^([a-z][a-z0-9+.-]*):\/\/((?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)|\[[0-9a-f:.]+\])(:(?:0|[1-9][0-9]{0,4}))?$/

/** Compiles the entries. None, or `*` among them: no rules. An entry that cannot be read admits nobody. */
export function compileOriginRules(entries: readonly string[]): {
  readonly rules: OriginRules | undefined
  readonly issues: readonly EntryIssue[]
} {
  const { values, issues } = readEntries(entries, parseOriginEntry)
  if (entries.length === 0 || values.includes('*')) return { rules: undefined, issues }
  return { rules: { origins: new Set(values), hasWildcards: values.some((value) => value.includes('*')) }, issues }
}

/** Whether the origin may pass. A missing one may. */
export function allowsOrigin(rules: OriginRules, origin: string | undefined): boolean {
  if (origin === undefined) return true
  if (rules.origins.has(origin) && !origin.includes('*')) return true
  const parts = splitOrigin(origin)
  if (parts === undefined) return false
  return (
    rules.origins.has(`${parts.scheme}://${parts.host}${parts.port}`) ||
    (rules.hasWildcards && hasWildcard(rules, parts))
  )
}

/** The canonical form of an entry, as it is stored: lower case, punycode, no default port, no trailing slash. */
export function parseOriginEntry(entry: string): RuleEntry<string> {
  if (entry === '*') return acceptEntry(entry)
  if (entry === 'null') return refuseEntry('The origin "null" is shared by every sandboxed page and cannot be allowed.')
  if (entry.length > ORIGIN_CHARACTERS_MAX)
    return refuseEntry(`An origin has at most ${ORIGIN_CHARACTERS_MAX} characters.`)
  const text = toAsciiOrigin(entry.endsWith('/') ? entry.slice(0, -1) : entry)
  const isWildcard = text.includes('://*.')
  const parts = splitOrigin(isWildcard ? text.replace('://*.', '://') : text)
  if (parts === undefined) {
    return refuseEntry(
      'An origin is a scheme, a host and at most a port, such as https://app.example.com or https://*.example.com, or "*".',
    )
  }
  if (!isWildcard) return acceptEntry(`${parts.scheme}://${parts.host}${parts.port}`)
  if (parts.host.startsWith('[') || (!parts.host.includes('.') && parts.host !== 'localhost')) {
    return refuseEntry('A "*" in an origin needs a domain of at least two labels after it.')
  }
  return acceptEntry(`${parts.scheme}://*.${parts.host}${parts.port}`)
}

type OriginParts = { readonly scheme: string; readonly host: string; readonly port: string }

function splitOrigin(text: string): OriginParts | undefined {
  if (text.length > ORIGIN_CHARACTERS_MAX) return undefined
  const match = ORIGIN_GRAMMAR.exec(text.toLowerCase())
  if (match === null) return undefined
  const [, scheme = '', host = '', port = ''] = match
  const isDefaultPort = (scheme === 'https' && port === ':443') || (scheme === 'http' && port === ':80')
  return { scheme, host, port: isDefaultPort ? '' : port }
}

/** One lookup per label of the host, on label boundaries alone: `evilexample.com` is no subdomain of `example.com`. */
function hasWildcard(rules: OriginRules, { scheme, host, port }: OriginParts): boolean {
  let dot = host.indexOf('.')
  while (dot !== -1) {
    if (rules.origins.has(`${scheme}://*${host.slice(dot)}${port}`)) return true
    dot = host.indexOf('.', dot + 1)
  }
  return false
}

/** Browsers send internationalized hosts in punycode; people write them as they are read. */
function toAsciiOrigin(text: string): string {
  const isAscii = /^[\x20-\x7e]*$/.test(text)
  if (isAscii || !URL.canParse(text)) return text
  const url = new URL(text)
  const isBareOrigin =
    url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  return isBareOrigin && url.origin !== 'null' ? url.origin : text
}
