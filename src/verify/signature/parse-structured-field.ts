import type { BareItem, Dictionary, InnerList, Item, Member, Parameters } from './structured-field.ts'

/**
 * Reads dictionaries of structured fields by the algorithms of RFC 9651 §4.2, with one rule more: a key that comes twice,
 * of a member or of a parameter, is refused. The RFC lets the last one win. Where something is signed, that would let two
 * readers of one message see two different ones, and an attacker could append a member to replace one that is signed.
 *
 * Written here because a dictionary that was read by the RFC's rule no longer shows what was there twice.
 */
export function parseDictionary(text: string): Dictionary | null {
  const cursor: Cursor = { text, at: 0 }
  try {
    return readDictionary(cursor)
  } catch (error) {
    if (error instanceof SyntaxFault) return null
    throw error
  }
}

interface Cursor {
  readonly text: string
  at: number
}

class SyntaxFault extends Error {}

const KEY_PATTERN = /[a-z*][a-z0-9_.*-]*/y
const NUMBER_PATTERN = /(-?)([0-9]+)(?:\.([0-9]+))?/y
/** Printable ASCII, in which a backslash stands before a quote or a backslash alone. */
const STRING_PATTERN = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y
const TOKEN_PATTERN = /[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*/y
const BYTES_PATTERN = /:([A-Za-z0-9+/]*)(={0,2}):/y
const BOOLEAN_PATTERN = /\?([01])/y
const DISPLAY_STRING_PATTERN = /%"((?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*)"/y

const INTEGER_DIGITS_MAX = 15
const DECIMAL_WHOLE_DIGITS_MAX = 12
const DECIMAL_FRACTION_DIGITS_MAX = 3
const TRUE: BareItem = { type: 'boolean', value: true }

function readDictionary(cursor: Cursor): Dictionary {
  const members = new Map<string, Member>()
  skip(cursor, ' ')
  while (!isAtEnd(cursor)) {
    const key = readKey(cursor)
    if (members.has(key)) throw new SyntaxFault()
    members.set(key, take(cursor, '=') ? readMember(cursor) : readTrue(cursor))
    skip(cursor, ' \t')
    if (isAtEnd(cursor)) return members
    expect(cursor, ',')
    skip(cursor, ' \t')
    if (isAtEnd(cursor)) throw new SyntaxFault()
  }
  return members
}

function readMember(cursor: Cursor): Member {
  return cursor.text[cursor.at] === '(' ? readInnerList(cursor) : readItem(cursor)
}

function readTrue(cursor: Cursor): Item {
  return { kind: 'item', bare: TRUE, parameters: readParameters(cursor) }
}

function readInnerList(cursor: Cursor): InnerList {
  const items: Item[] = []
  expect(cursor, '(')
  for (;;) {
    skip(cursor, ' ')
    if (take(cursor, ')')) return { kind: 'list', items, parameters: readParameters(cursor) }
    items.push(readItem(cursor))
    const next = cursor.text[cursor.at]
    if (next !== ' ' && next !== ')') throw new SyntaxFault()
  }
}

function readItem(cursor: Cursor): Item {
  const bare = readBareItem(cursor)
  return { kind: 'item', bare, parameters: readParameters(cursor) }
}

function readParameters(cursor: Cursor): Parameters {
  const parameters = new Map<string, BareItem>()
  while (take(cursor, ';')) {
    skip(cursor, ' ')
    const key = readKey(cursor)
    if (parameters.has(key)) throw new SyntaxFault()
    parameters.set(key, take(cursor, '=') ? readBareItem(cursor) : TRUE)
  }
  return parameters
}

function readKey(cursor: Cursor): string {
  return match(cursor, KEY_PATTERN)[0]
}

function readBareItem(cursor: Cursor): BareItem {
  const first = cursor.text[cursor.at]
  switch (first) {
    case '"':
      return { type: 'string', value: group(match(cursor, STRING_PATTERN), 1).replaceAll(/\\(["\\])/g, '$1') }
    case ':':
      return { type: 'bytes', value: readBytes(cursor) }
    case '?':
      return { type: 'boolean', value: group(match(cursor, BOOLEAN_PATTERN), 1) === '1' }
    case '@':
      return { type: 'date', value: readDate(cursor) }
    case '%':
      return { type: 'displayString', value: readDisplayString(cursor) }
    default:
      if (first !== undefined && /[-0-9]/.test(first)) return readNumber(cursor)
      return { type: 'token', value: match(cursor, TOKEN_PATTERN)[0] }
  }
}

function readNumber(cursor: Cursor): BareItem {
  const found = match(cursor, NUMBER_PATTERN)
  const whole = group(found, 2)
  const fraction = found[3]
  // A point that no digit follows is left over by the pattern; a number never ends so.
  if (cursor.text[cursor.at] === '.') throw new SyntaxFault()
  if (fraction === undefined) {
    if (whole.length > INTEGER_DIGITS_MAX) throw new SyntaxFault()
    return { type: 'integer', value: Number(found[0]) }
  }
  if (whole.length > DECIMAL_WHOLE_DIGITS_MAX || fraction.length > DECIMAL_FRACTION_DIGITS_MAX) throw new SyntaxFault()
  return { type: 'decimal', value: Number(found[0]) }
}

function readDate(cursor: Cursor): number {
  expect(cursor, '@')
  const number = readNumber(cursor)
  if (number.type !== 'integer') throw new SyntaxFault()
  return number.value
}

/**
 * Only the spelling that serialization gives is read: with its padding, and with no bits set that stand for nothing.
 * RFC 9651 §4.2.7 leaves that choice; two spellings of one signature would be two signatures to whoever compares text.
 */
function readBytes(cursor: Cursor): Uint8Array {
  const found = match(cursor, BYTES_PATTERN)
  const text = group(found, 1) + group(found, 2)
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new SyntaxFault()
  return bytes
}

function readDisplayString(cursor: Cursor): string {
  const escaped = group(match(cursor, DISPLAY_STRING_PATTERN), 1)
  try {
    return decodeURIComponent(escaped)
  } catch {
    throw new SyntaxFault()
  }
}

function isAtEnd(cursor: Cursor): boolean {
  return cursor.at === cursor.text.length
}

function skip(cursor: Cursor, characters: string): void {
  while (cursor.at < cursor.text.length && characters.includes(cursor.text.charAt(cursor.at))) cursor.at++
}

function take(cursor: Cursor, character: string): boolean {
  if (cursor.text[cursor.at] !== character) return false
  cursor.at++
  return true
}

function expect(cursor: Cursor, character: string): void {
  if (!take(cursor, character)) throw new SyntaxFault()
}

function match(cursor: Cursor, pattern: RegExp): RegExpExecArray {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)
  if (found === null) throw new SyntaxFault()
  cursor.at += found[0].length
  return found
}

function group(found: RegExpExecArray, index: number): string {
  return found[index] ?? ''
}
