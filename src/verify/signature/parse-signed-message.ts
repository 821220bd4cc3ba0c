import type { InputIssue } from '../../errors/keyward-error.ts'
import { type HeaderFields, type SignedMessage, trimFieldValue } from './signed-message.ts'
import { parseTargetUri, type TargetUri } from './target-uri.ts'

/**
 * Reads `httpSignature: {method, url, headers, bodySha256?}`, the protected request as the verifier received it. A value
 * of `headers` is a string, or a list of strings for a field that came in several lines.
 */
export type SignedMessageParse =
  | { readonly ok: true; readonly message: SignedMessage }
  | { readonly ok: false; readonly issues: readonly InputIssue[] }

type Fields = Readonly<Record<string, unknown>>

const KNOWN_FIELDS: ReadonlySet<string> = new Set(['method', 'url', 'headers', 'bodySha256'])
const URL_LENGTH_MAX = 8_192
const URL_RULE = `It is an absolute http or https URL of at most ${URL_LENGTH_MAX} characters, in ASCII, without fragment.`
const HEADERS_MAX = 100
const HEADER_LINES_MAX = 32
const HEADER_LENGTH_MAX = 8_192
/** RFC 9110 §9.1, §5.1: a method and a field's name are tokens. */
const METHOD_PATTERN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/
const HEADER_NAME_PATTERN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
const BODY_SHA256_PATTERN = /^[0-9a-f]{64}$/
/** RFC 9110 §5.5: of the control characters only the tab. A line break could forge lines of what is signed. */
const CONTROL_PATTERN = /(?!\t)\p{Cc}/u
const HEADER_RULE = `It is a string of at most ${HEADER_LENGTH_MAX} characters on one line, or a list of up to ${HEADER_LINES_MAX}.`

export function parseSignedMessage(input: unknown): SignedMessageParse {
  if (!isFields(input)) return { ok: false, issues: [faultOf([], 'It is an object.')] }
  const issues: InputIssue[] = []
  for (const name of Object.keys(input)) {
    if (!KNOWN_FIELDS.has(name)) issues.push(faultOf([name], 'There is no such field.'))
  }
  const method = readMethod(input.method, issues)
  const target = readTarget(input.url, issues)
  const fields = readHeaders(input.headers, issues)
  const bodySha256 = readBodySha256(input.bodySha256, issues)
  if (method === null || target === null || issues.length > 0) return { ok: false, issues }
  return { ok: true, message: { method, target, fields, bodySha256 } }
}

function readMethod(value: unknown, issues: InputIssue[]): string | null {
  if (typeof value === 'string' && METHOD_PATTERN.test(value)) return value
  issues.push(faultOf(['method'], value === undefined ? 'It is required.' : 'It is an HTTP method.'))
  return null
}

function readTarget(value: unknown, issues: InputIssue[]): TargetUri | null {
  const isText = typeof value === 'string' && value.length <= URL_LENGTH_MAX
  const target = isText ? parseTargetUri(value) : null
  if (target !== null) return target
  issues.push(faultOf(['url'], value === undefined ? 'It is required.' : URL_RULE))
  return null
}

function readHeaders(value: unknown, issues: InputIssue[]): HeaderFields {
  const fields = new Map<string, readonly string[]>()
  if (!isFields(value)) {
    issues.push(faultOf(['headers'], value === undefined ? 'It is required.' : 'It is an object of strings.'))
    return fields
  }
  const names = Object.keys(value)
  if (names.length > HEADERS_MAX) {
    issues.push(faultOf(['headers'], `It has at most ${HEADERS_MAX} entries.`))
    return fields
  }
  for (const name of names) {
    const lowerName = name.toLowerCase()
    const values = readHeader(value[name])
    if (!HEADER_NAME_PATTERN.test(name)) issues.push(faultOf(['headers', name], 'It is not the name of a header.'))
    else if (fields.has(lowerName)) issues.push(faultOf(['headers', name], 'It is given twice, in different case.'))
    else if (values === null) issues.push(faultOf(['headers', name], HEADER_RULE))
    else fields.set(lowerName, values)
  }
  return fields
}

function readHeader(value: unknown): readonly string[] | null {
  const lines: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (lines.length === 0 || lines.length > HEADER_LINES_MAX) return null
  const values: string[] = []
  for (const line of lines) {
    if (typeof line !== 'string' || line.length > HEADER_LENGTH_MAX || CONTROL_PATTERN.test(line)) return null
    values.push(trimFieldValue(line))
  }
  return values
}

function readBodySha256(value: unknown, issues: InputIssue[]): string | null {
  if (value === undefined) return null
  if (typeof value === 'string' && BODY_SHA256_PATTERN.test(value)) return value
  issues.push(faultOf(['bodySha256'], 'It is a SHA-256 in 64 lower-case hex digits.'))
  return null
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function faultOf(path: readonly string[], detail: string): InputIssue {
  return { path: ['httpSignature', ...path], detail }
}
