import type { RequestHead } from './request-head.ts'

/**
 * Recognises a request that is written in the plainest way that HTTP/1.1 knows: a line, fields, a body of announced
 * length, each in a form about which no two readers can differ.
 *
 * This is no HTTP parser. It does not say what a request means that is written otherwise, nor whether it is valid: it
 * says null, and the bytes go to Node's parser as they came. That is what makes it safe. Requests are smuggled where two
 * readers understand the same bytes differently (RFC 9112 §11.2), and here whatever could be understood in two ways is
 * left to the other reader: transfer encodings, repeated fields, folded lines, bare line feeds, blanks around names,
 * bytes beyond ASCII, a second request in the same bytes. A test holds every answer against the one that Node's server
 * gives to the same bytes.
 */
export interface PlainRequest {
  /** Where the request line ends, which is what the bytes begin with. */
  readonly lineEnd: number
  readonly headers: RequestHead['headers']
  readonly requestId: string | undefined
  /** Where the body begins, and where it ends. There may be fewer bytes yet. */
  readonly bodyStart: number
  readonly bodyEnd: number
}

/** Of a head. Node's own limits are higher, so that a head which is too large is refused in one place. */
const HEAD_BYTES_MAX = 8 * 1024
const FIELDS_MAX = 100
const LINE_BYTES_MAX = 64
const LENGTH_DIGITS_MAX = 7

const HTAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const COLON = 0x3a
const LOWER_CASE_BIT = 0x20

/** RFC 9110 §5.6.2: what names of fields consist of. */
const IS_TOKEN = tableOf("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
/** RFC 9110 §5.5 without `obs-text`: what values consist of. */
const IS_VALUE = tableOf(
  `\t${String.fromCharCode(...Array.from({ length: 0x7f - SPACE }, (_, place) => SPACE + place))}`,
)

/** Null: not plain, or not plain as far as it has come. The bytes have to be those of one request, from its first on. */
export function readPlainRequest(bytes: Buffer): PlainRequest | null {
  const end = Math.min(bytes.length, HEAD_BYTES_MAX)
  const lineEnd = findLineEnd(bytes, Math.min(end, LINE_BYTES_MAX))
  if (lineEnd === -1) return null
  let fields = 0
  let hosts = 0
  let hasContentType = false
  let contentLength = -1
  let authorization: string | undefined
  let forwardedFor: string | undefined
  let requestId: string | undefined

  let at = lineEnd + 2
  while (at < end && bytes[at] !== CR) {
    if (++fields > FIELDS_MAX) return null
    const name = at
    while (at < end && IS_TOKEN[bytes[at] ?? 0] === 1) at++
    const nameLength = at - name
    if (nameLength === 0 || at === end || bytes[at] !== COLON) return null
    at++
    while (at < end && isBlank(bytes[at])) at++
    const value = at
    while (at < end && IS_VALUE[bytes[at] ?? 0] === 1) at++
    if (at + 1 >= end || bytes[at] !== CR || bytes[at + 1] !== LF) return null
    let valueEnd = at
    while (valueEnd > value && isBlank(bytes[valueEnd - 1])) valueEnd--
    at += 2

    // By the length of the name first: most fields are none of these.
    switch (nameLength) {
      case 4:
        if (isNamed(bytes, name, 'host')) hosts++
        break
      case 6:
        if (isNamed(bytes, name, 'expect')) return null
        break
      case 7:
        if (isNamed(bytes, name, 'upgrade') || isNamed(bytes, name, 'trailer')) return null
        break
      case 10:
        if (!isNamed(bytes, name, 'connection')) break
        if (valueEnd - value !== 10 || !isNamed(bytes, value, 'keep-alive')) return null
        break
      case 12:
        if (isNamed(bytes, name, 'content-type')) {
          if (hasContentType || !isPlainJson(bytes, value, valueEnd)) return null
          hasContentType = true
        } else if (isNamed(bytes, name, 'x-request-id')) {
          if (requestId !== undefined) return null
          requestId = bytes.toString('latin1', value, valueEnd)
        }
        break
      case 13:
        if (!isNamed(bytes, name, 'authorization')) break
        if (authorization !== undefined) return null
        authorization = bytes.toString('latin1', value, valueEnd)
        break
      case 14:
        if (!isNamed(bytes, name, 'content-length')) break
        if (contentLength !== -1) return null
        contentLength = readLength(bytes, value, valueEnd)
        if (contentLength === -1) return null
        break
      case 15:
        if (!isNamed(bytes, name, 'x-forwarded-for')) break
        if (forwardedFor !== undefined) return null
        forwardedFor = bytes.toString('latin1', value, valueEnd)
        break
      case 16:
        if (isNamed(bytes, name, 'content-encoding') || isNamed(bytes, name, 'proxy-connection')) return null
        break
      case 17:
        if (isNamed(bytes, name, 'transfer-encoding')) return null
        break
    }
  }
  if (at + 1 >= end || bytes[at + 1] !== LF) return null
  if (hosts !== 1 || !hasContentType || contentLength === -1) return null
  const bodyStart = at + 2
  const headers = { authorization, 'x-forwarded-for': forwardedFor }
  return { lineEnd, headers, requestId, bodyStart, bodyEnd: bodyStart + contentLength }
}

function findLineEnd(bytes: Buffer, end: number): number {
  let at = 0
  while (at < end && IS_VALUE[bytes[at] ?? 0] === 1) at++
  return at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF ? at : -1
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === HTAB
}

/** Whether these bytes are the name, in any case. Of the characters in names, and of those in values, only letters have one. */
function isNamed(bytes: Buffer, start: number, name: string): boolean {
  for (let place = 0; place < name.length; place++) {
    if (((bytes[start + place] ?? 0) | LOWER_CASE_BIT) !== name.charCodeAt(place)) return false
  }
  return true
}

const JSON_TYPE = 'application/json'

/** With a parameter it may be JSON too, which is for others to say. */
function isPlainJson(bytes: Buffer, start: number, end: number): boolean {
  return end - start === JSON_TYPE.length && isNamed(bytes, start, JSON_TYPE)
}

/** -1 for what is not a few decimal digits. */
function readLength(bytes: Buffer, start: number, end: number): number {
  if (start === end || end - start > LENGTH_DIGITS_MAX) return -1
  let length = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}
