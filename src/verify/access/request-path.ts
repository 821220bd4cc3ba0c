/**
 * The path of a protected request, split into decoded segments, or refused.
 *
 * A path rule is only as good as its agreement with the server behind it about what a path means. Where servers are
 * known to differ (`/public/../admin`, `/public/..;/admin`, `/public/%2e%2e/admin`, `/public%2f..%2fadmin`,
 * `/public/%252e%252e/admin`, `/public\..\admin`, `//admin`) there is no reading that is right for all, so such a path has no
 * reading here and is denied. What remains is decoded exactly once, as UTF-8.
 */

/** Longer paths are refused; the query does not count. */
export const PATH_CHARACTERS_MAX = 2048
/** Bounds the work per pattern. */
export const PATH_SEGMENTS_MAX = 128

export type RequestPath =
  | {
      readonly ok: true
      /** `/orders/7/` and `/orders/7` are both `['orders', '7']`, `/` is `[]`. */
      readonly segments: readonly string[]
    }
  | { readonly ok: false; readonly detail: string }

/** Splits and decodes. Everything from the first `?` on is the query and is left out. Never throws. */
export function parseRequestPath(target: string): RequestPath {
  const queryStart = target.indexOf('?')
  const path = queryStart === -1 ? target : target.slice(0, queryStart)
  if (path.length > PATH_CHARACTERS_MAX) return refuse(`The path has more than ${PATH_CHARACTERS_MAX} characters.`)
  if (!path.startsWith('/')) return refuse('The path does not start with "/".')
  if (path === '/') return { ok: true, segments: [] }
  const end = path.endsWith('/') ? path.length - 1 : path.length
  const segments = path.slice(1, end).split('/')
  if (segments.length > PATH_SEGMENTS_MAX) return refuse(`The path has more than ${PATH_SEGMENTS_MAX} segments.`)
  for (const [index, encoded] of segments.entries()) {
    const segment = decodePathSegment(encoded)
    if (!segment.ok) return segment
    segments[index] = segment.text
  }
  return { ok: true, segments }
}

/** Decodes one segment once, and refuses what servers read in different ways. */
export function decodePathSegment(
  encoded: string,
): { readonly ok: true; readonly text: string } | { readonly ok: false; readonly detail: string } {
  const text = encoded.includes('%') ? decodeOnce(encoded) : encoded
  if (text === undefined) return refuse('The path has a "%" that starts no valid UTF-8 percent-encoding.')
  if (text === '') return refuse('The path has an empty segment ("//").')
  if (DOT_SEGMENT.test(text)) return refuse('The path has a "." or ".." segment.')
  if (AMBIGUOUS_CHARACTER.test(text)) {
    return refuse(
      'The path has a backslash, an encoded slash, a "#", a control character or a second percent-encoding.',
    )
  }
  return { ok: true, text }
}

/** Also with path parameters behind the dots: Java servers drop `;…` before they resolve the dots. */
const DOT_SEGMENT = /^\.\.?(?:;|$)/

/**
 * After decoding: a slash or backslash, a fragment mark, C0 and C1 controls (NUL ends the string for some), and a percent
 * sign that a second decoding would take for an encoding.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const AMBIGUOUS_CHARACTER = /[/\\#\u0000-\u001f\u007f-\u009f]|%[0-9a-fA-F]{2}/

function decodeOnce(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

function refuse(detail: string): { readonly ok: false; readonly detail: string } {
  return { ok: false, detail }
}
