/**
 * The grammar of scope names: `orders:read`, `crm:contacts:*`.
 *
 * At least two segments joined by `:`. Segments hold `a-z 0-9 _ -`; the first one starts with a letter or digit; the last
 * one may be `*`, which makes the name a wildcard. As a regular expression:
 * `^[a-z0-9][a-z0-9_-]*(:[a-z0-9_-]+)*:([a-z0-9_-]+|\*)$`. It is written as one pass over the characters instead, so that
 * the time is linear by construction and the answer can name the column that is wrong.
 */

/** Longer names are refused before they are read, which also bounds every later loop over a name. */
export const SCOPE_NAME_CHARACTERS_MAX = 100

/** Scopes below this prefix are the product's own management permissions; no tenant may define or shadow them. */
export const RESERVED_SCOPE_PREFIX = 'keyward:'

export type ScopeName =
  | {
      readonly ok: true
      readonly name: string
      /** `a:b:` for `a:b:*`, undefined for a name that stands for itself alone. */
      readonly wildcardPrefix: string | undefined
      readonly reserved: boolean
    }
  | {
      readonly ok: false
      /** 1-based, in UTF-16 code units. */
      readonly column: number
      readonly detail: string
    }

const COLON = 0x3a
const ASTERISK = 0x2a
const VALID = -1

/** Parses one scope name. Never throws; the refusal says the column and what is wrong there. */
export function parseScopeName(text: string): ScopeName {
  const badIndex = findInvalidIndex(text)
  if (badIndex !== VALID) return { ok: false, column: badIndex + 1, detail: explainInvalidName(text, badIndex) }
  return { ok: true, name: text, wildcardPrefix: wildcardPrefixOf(text), reserved: isReservedScope(text) }
}

/** Whether the text is a scope name, wildcard or not. Linear in its length, and constant beyond the maximum length. */
export function isScopeName(text: string): boolean {
  return findInvalidIndex(text) === VALID
}

/** Whether a name lies in the product's own namespace. Meant for valid names. */
export function isReservedScope(name: string): boolean {
  return name.startsWith(RESERVED_SCOPE_PREFIX)
}

/** The prefix that a wildcard covers, with its closing colon, or undefined for an ordinary name. Meant for valid names. */
export function wildcardPrefixOf(name: string): string | undefined {
  return name.endsWith(':*') ? name.slice(0, -1) : undefined
}

/** The index of the first character that no valid name could have there (the length, when the name ends too early), or -1. */
function findInvalidIndex(text: string): number {
  const length = text.length
  if (length > SCOPE_NAME_CHARACTERS_MAX) return SCOPE_NAME_CHARACTERS_MAX
  let segmentStart = 0
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code === COLON) {
      if (index === segmentStart) return index
      segmentStart = index + 1
    } else if (code === ASTERISK) {
      const isWholeLastSegment = index === segmentStart && segmentStart > 0 && index === length - 1
      if (!isWholeLastSegment) return index
    } else if (!isLetterOrDigit(code) && (index === 0 || !isUnderscoreOrHyphen(code))) {
      return index
    }
  }
  const lastSegmentIsEmpty = segmentStart === length
  const hasOneSegment = segmentStart === 0
  return lastSegmentIsEmpty || hasOneSegment ? length : VALID
}

function explainInvalidName(text: string, index: number): string {
  if (text.length > SCOPE_NAME_CHARACTERS_MAX) {
    return `A scope name has at most ${SCOPE_NAME_CHARACTERS_MAX} characters.`
  }
  if (index === text.length) return 'A scope name has at least two segments joined by ":", none of them empty.'
  const character = text.charAt(index)
  if (character === '*') return 'A "*" may only stand alone as the last segment, after at least one other.'
  if (character === ':') return 'A segment of a scope name must not be empty.'
  if (index === 0) return 'A scope name starts with a lower-case letter or a digit.'
  return 'A scope name holds lower-case letters, digits, "_", "-" and ":" alone.'
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)
}

function isUnderscoreOrHyphen(code: number): boolean {
  return code === 0x5f || code === 0x2d
}
