/**
 * User-agent patterns: globs in which `*` stands for any run of characters, also none. All else is literal, there are no
 * other special characters and no escapes. Letters match in either case: products spell themselves as they like.
 * A pattern covers the whole header, so `Mozilla*` means "starts with" and `*bot*` "contains".
 *
 * Tenants write the patterns and strangers the header, so the time must be linear in the header for any pattern. Regular
 * expressions backtrack, and so does the usual glob loop. Here the literal parts are searched from left to right, each at its first
 * place, by Knuth-Morris-Pratt (SIAM J. Comput. 6, 1977), which never reads a character of the header twice per pattern.
 */

import { acceptEntry, type EntryIssue, type RuleEntry, readEntries, refuseEntry } from './rule-entry.ts'

export const USER_AGENT_PATTERNS_MAX = 100
export const USER_AGENT_PATTERN_CHARACTERS_MAX = 256

/** Longer headers match nothing. Browsers send about 150 characters; the limit bounds the work of a hostile one. */
export const USER_AGENT_CHARACTERS_MAX = 1024

export type UserAgentRules = { readonly patterns: readonly Glob[] }

type Glob = {
  readonly prefix: string
  /** What has to follow, in this order, after the prefix and before the suffix. */
  readonly parts: readonly GlobPart[]
  /** Undefined when the pattern has no `*`: then the prefix is the whole. */
  readonly suffix: string | undefined
  readonly charactersMin: number
}

type GlobPart = {
  readonly codes: Uint16Array
  /** For each position the length of the longest proper prefix that ends there: where to go on after a mismatch. */
  readonly fallbacks: Uint16Array
}

/** Compiles the patterns. No patterns: no rules. A pattern that cannot be read matches nothing. */
export function compileUserAgentPatterns(patterns: readonly string[]): {
  readonly rules: UserAgentRules | undefined
  readonly issues: readonly EntryIssue[]
} {
  const { values, issues } = readEntries(patterns, parseUserAgentPattern)
  return { rules: patterns.length > 0 ? { patterns: values } : undefined, issues }
}

/** Whether a pattern covers the header. A missing or empty header is covered by none, not even by `*`. */
export function allowsUserAgent(rules: UserAgentRules, userAgent: string | undefined): boolean {
  if (userAgent === undefined || userAgent === '' || userAgent.length > USER_AGENT_CHARACTERS_MAX) return false
  const text = userAgent.toLowerCase()
  for (const pattern of rules.patterns) {
    if (matchesGlob(pattern, text)) return true
  }
  return false
}

export function parseUserAgentPattern(pattern: string): RuleEntry<Glob> {
  if (pattern === '') return refuseEntry('The pattern must not be empty.')
  if (pattern.length > USER_AGENT_PATTERN_CHARACTERS_MAX) {
    return refuseEntry(`The pattern has at most ${USER_AGENT_PATTERN_CHARACTERS_MAX} characters.`)
  }
  const pieces = pattern.toLowerCase().split('*')
  const literals = pieces.filter((piece, index) => index > 0 && index < pieces.length - 1 && piece !== '')
  return acceptEntry({
    prefix: pieces[0] ?? '',
    parts: literals.map(compilePart),
    suffix: pieces.length === 1 ? undefined : pieces.at(-1),
    charactersMin: pieces.join('').length,
  })
}

function matchesGlob(glob: Glob, text: string): boolean {
  if (glob.suffix === undefined) return text === glob.prefix
  if (text.length < glob.charactersMin || !text.startsWith(glob.prefix) || !text.endsWith(glob.suffix)) return false
  const end = text.length - glob.suffix.length
  let index = glob.prefix.length
  for (const part of glob.parts) {
    index = findPartEnd(part, text, index, end)
    if (index === -1) return false
  }
  return true
}

/** The index after the first place of the part within `[from, end)`, or -1. */
function findPartEnd({ codes, fallbacks }: GlobPart, text: string, from: number, end: number): number {
  let matched = 0
  for (let index = from; index < end; index++) {
    matched = advance(codes, fallbacks, matched, text.charCodeAt(index))
    if (matched === codes.length) return index + 1
  }
  return -1
}

function compilePart(literal: string): GlobPart {
  const codes = Uint16Array.from({ length: literal.length }, (_, index) => literal.charCodeAt(index))
  const fallbacks = new Uint16Array(codes.length)
  for (let index = 1; index < codes.length; index++) {
    fallbacks[index] = advance(codes, fallbacks, fallbacks[index - 1] ?? 0, codes[index] ?? 0)
  }
  return { codes, fallbacks }
}

/** How much of the part is matched after one more character, when `matched` characters were before it. */
function advance(codes: Uint16Array, fallbacks: Uint16Array, matched: number, code: number): number {
  let length = matched
  while (length > 0 && codes[length] !== code) length = fallbacks[length - 1] ?? 0
  return codes[length] === code ? length + 1 : length
}
