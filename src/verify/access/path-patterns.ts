/**
 * Which endpoints a key may call: path patterns and methods.
 *
 * Path patterns start with `/`. `*` is exactly one segment, `**` any number of segments, none included, so `/orders/**` covers
 * `/orders`. Both stand for whole segments: `/orders/*.json` is refused rather than guessed at. All other segments are
 * literal and compared after one percent-decoding on both sides, in their letter case. One trailing slash makes no difference,
 * neither in a pattern nor in a path. A path that cannot be read safely (see request-path.ts) matches nothing.
 *
 * Methods are compared without regard to case. GET implies HEAD, which asks for the same without the body (RFC 9110
 * section 9.3.2) and which every router answers where it answers GET. OPTIONS is implied by nothing.
 */

import { decodePathSegment, parseRequestPath } from './request-path.ts'
import { acceptEntry, type EntryIssue, type RuleEntry, readEntries, refuseEntry } from './rule-entry.ts'

export const PATH_PATTERNS_MAX = 200
export const PATH_PATTERN_CHARACTERS_MAX = 512
/** Bounds the work per request: patterns × their segments × the segments of the path. */
export const PATH_PATTERN_SEGMENTS_MAX = 32
export const METHODS_MAX = 32

type Segment = string | typeof ONE_SEGMENT | typeof ANY_SEGMENTS

export type PathPattern = readonly Segment[]
export type PathRules = { readonly patterns: readonly PathPattern[] }
export type MethodRules = { readonly methods: ReadonlySet<string> }

const ONE_SEGMENT = Symbol('*')
const ANY_SEGMENTS = Symbol('**')

/** Compiles the patterns. None: no rules. A pattern that cannot be read matches nothing. */
export function compilePathPatterns(patterns: readonly string[]): {
  readonly rules: PathRules | undefined
  readonly issues: readonly EntryIssue[]
} {
  const { values, issues } = readEntries(patterns, parsePathPattern)
  return { rules: patterns.length > 0 ? { patterns: values } : undefined, issues }
}

/** Compiles the methods. None: no rules. */
export function compileMethods(methods: readonly string[]): {
  readonly rules: MethodRules | undefined
  readonly issues: readonly EntryIssue[]
} {
  const { values, issues } = readEntries(methods, parseMethod)
  const allowed = new Set(values)
  if (allowed.has('GET')) allowed.add('HEAD')
  return { rules: methods.length > 0 ? { methods: allowed } : undefined, issues }
}

/** Whether the method may pass. A missing one may not. */
export function allowsMethod(rules: MethodRules, method: string | undefined): boolean {
  if (method === undefined) return false
  return rules.methods.has(method) || rules.methods.has(method.toUpperCase())
}

/** Why the path is denied, as a sentence, or undefined when a pattern covers it. The query is not looked at. */
export function findPathDenial(rules: PathRules, path: string | undefined): string | undefined {
  if (path === undefined) return 'The path of the request is missing.'
  const parsed = parseRequestPath(path)
  if (!parsed.ok) return parsed.detail
  for (const pattern of rules.patterns) {
    if (matchesPathPattern(pattern, parsed.segments)) return undefined
  }
  return 'No path pattern covers the path.'
}

export function parsePathPattern(text: string): RuleEntry<PathPattern> {
  if (text.length > PATH_PATTERN_CHARACTERS_MAX) {
    return refuseEntry(`A path pattern has at most ${PATH_PATTERN_CHARACTERS_MAX} characters.`)
  }
  if (!text.startsWith('/')) return refuseEntry('A path pattern starts with "/".')
  if (text.includes('?')) return refuseEntry('A path pattern has no query, paths are compared without theirs.')
  if (text === '/') return acceptEntry([])
  const end = text.endsWith('/') ? text.length - 1 : text.length
  const pattern: Segment[] = []
  for (const encoded of text.slice(1, end).split('/')) {
    const segment = parsePatternSegment(encoded)
    if (!segment.ok) return segment
    // "**" after "**" adds nothing to what they cover together.
    if (segment.value !== ANY_SEGMENTS || pattern.at(-1) !== ANY_SEGMENTS) pattern.push(segment.value)
  }
  if (pattern.length > PATH_PATTERN_SEGMENTS_MAX) {
    return refuseEntry(`A path pattern has at most ${PATH_PATTERN_SEGMENTS_MAX} segments.`)
  }
  return acceptEntry(pattern)
}

/** The method in upper case, as it is stored. */
export function parseMethod(text: string): RuleEntry<string> {
  if (/^[A-Za-z][A-Za-z0-9_-]{0,31}$/.test(text)) return acceptEntry(text.toUpperCase())
  return refuseEntry('A method is a name such as GET or POST; an empty list allows all.')
}

function parsePatternSegment(encoded: string): RuleEntry<Segment> {
  if (encoded === '*') return acceptEntry(ONE_SEGMENT)
  if (encoded === '**') return acceptEntry(ANY_SEGMENTS)
  if (encoded.includes('*')) {
    return refuseEntry('"*" stands for a whole segment and "**" for any number of them; a literal one is written %2A.')
  }
  const decoded = decodePathSegment(encoded)
  return decoded.ok ? acceptEntry(decoded.text) : refuseEntry(decoded.detail)
}

/**
 * Walks both from left to right. At a `**` it first tries no segment; on a mismatch further on it comes back to the last `**` alone and
 * lets that take one more, because whatever an earlier one could take, the last can take as well. So the work is at
 * most segments × pattern segments, never exponential.
 */
function matchesPathPattern(pattern: PathPattern, segments: readonly string[]): boolean {
  let segmentIndex = 0
  let patternIndex = 0
  let retryPattern = -1
  let retrySegment = 0
  while (segmentIndex < segments.length) {
    const expected = pattern[patternIndex]
    if (expected === ANY_SEGMENTS) {
      retryPattern = patternIndex
      retrySegment = segmentIndex
      patternIndex++
    } else if (expected === ONE_SEGMENT || expected === segments[segmentIndex]) {
      patternIndex++
      segmentIndex++
    } else if (retryPattern !== -1) {
      patternIndex = retryPattern + 1
      retrySegment++
      segmentIndex = retrySegment
    } else {
      return false
    }
  }
  while (pattern[patternIndex] === ANY_SEGMENTS) patternIndex++
  return patternIndex === pattern.length
}
