/**
 * The target URI of a request (RFC 9110 §7.1), taken apart as RFC 9421 §2.2 wants it.
 *
 * Nothing but scheme, host and default port is normalized. A URL parser would also resolve `..` and turn backslashes, and
 * then requests that the protected service tells apart would have one and the same signature.
 */
export interface TargetUri {
  /** Lower case. */
  readonly scheme: 'http' | 'https'
  /** Host in lower case, and the port unless it is the scheme's default. */
  readonly authority: string
  /** As it was sent, `/` when it was empty. */
  readonly path: string
  /** With its `?`; empty when there is none. */
  readonly query: string
}

const URI_PATTERN = /^(https?):\/\/([^/?#]*)(\/[^?#]*)?(\?[^#]*)?$/i
const VISIBLE_PATTERN = /^[\x21-\x7e]*$/
/** A name, an IPv4 address or an IPv6 address in brackets; no user in front of it (RFC 9110 §4.2.4). */
const AUTHORITY_PATTERN = /^((?:[\w.~!$&'()*+,;=%-]+|\[[0-9a-f:.]+\]))(?::([0-9]{0,5}))?$/i
const DEFAULT_PORTS = { http: '80', https: '443' } as const

/** Null for everything but an absolute `http` or `https` URI in ASCII without a fragment. */
export function parseTargetUri(text: string): TargetUri | null {
  if (!VISIBLE_PATTERN.test(text)) return null
  const [, scheme, authority, path, query] = URI_PATTERN.exec(text) ?? []
  if (scheme === undefined || authority === undefined) return null
  const [, host, port = ''] = AUTHORITY_PATTERN.exec(authority) ?? []
  if (host === undefined) return null
  const lowerScheme = scheme.toLowerCase() === 'http' ? 'http' : 'https'
  const isDefaultPort = port === '' || port === DEFAULT_PORTS[lowerScheme]
  return {
    scheme: lowerScheme,
    authority: host.toLowerCase() + (isDefaultPort ? '' : `:${port}`),
    path: path ?? '/',
    query: query ?? '',
  }
}

export function formatTargetUri({ scheme, authority, path, query }: TargetUri): string {
  return `${scheme}://${authority}${path}${query}`
}
