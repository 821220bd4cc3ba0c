import type { InputIssue } from '../errors/keyward-error.ts'

/** One place in which a token was found. */
export interface Finding {
  readonly token: string
  /** What the scanner calls tokens of this form. */
  readonly type: string
  readonly place: FoundPlace
}

export interface FoundPlace {
  /** What the scanner calls the kind of place, in lower case: `commit`, `gist_content`, `npm`; `unknown` when it does not say. */
  readonly source: string
  /** Where the token stands; null when the scanner does not say, or not in a way that may be kept. */
  readonly url: string | null
}

export type LeakReportParse =
  | { readonly ok: true; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly issues: readonly InputIssue[] }

/** What is more comes in another report. Higher, and a report takes longer than its sender waits. */
export const FINDINGS_MAX = 1_000
export const TYPE_CHARACTERS_MAX = 256
/** A longer address is not kept: cut off it would lead elsewhere. */
const URL_CHARACTERS_MAX = 4_096
const SOURCE_PATTERN = /^[a-z][a-z_]{0,63}$/
/** An address that is encoded more often hides something. */
const DECODED_TIMES_MAX = 4
/** More than anyone reads at once. */
const ISSUES_MAX = 100

/**
 * Reads the array that GitHub's secret scanning sends to its partners:
 * https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program
 *
 * Only what is needed must be right. Where a token was found is of less weight than that it was, and fields that come to be
 * must not keep reports from being read.
 */
export function parseLeakReport(body: unknown): LeakReportParse {
  if (!Array.isArray(body)) return refuse([{ path: [], detail: 'must be an array of findings' }])
  if (body.length > FINDINGS_MAX) {
    return refuse([{ path: [], detail: `has ${body.length} findings; at most ${FINDINGS_MAX} are read` }])
  }
  const findings: Finding[] = []
  const issues: InputIssue[] = []
  for (const [index, entry] of body.entries()) {
    const finding = readFinding(entry)
    if ('token' in finding) findings.push(finding)
    else issues.push({ path: [index, ...finding.path], detail: finding.detail })
  }
  return issues.length === 0 ? { ok: true, findings } : refuse(issues.slice(0, ISSUES_MAX))
}

function refuse(issues: readonly InputIssue[]): LeakReportParse {
  return { ok: false, issues }
}

function readFinding(entry: unknown): Finding | InputIssue {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return { path: [], detail: 'must be an object with token, type, url and source' }
  }
  const { token, type, url, source }: Partial<Record<string, unknown>> = { ...entry }
  if (typeof token !== 'string') return { path: ['token'], detail: 'must be a text' }
  if (typeof type !== 'string' || type.length > TYPE_CHARACTERS_MAX) {
    return { path: ['type'], detail: `must be a text of at most ${TYPE_CHARACTERS_MAX} characters` }
  }
  return { token, type, place: { source: readSource(source), url: readUrl(url, token) } }
}

/** The documentation writes `Commit`, and sends `commit`. */
function readSource(source: unknown): string {
  const name = typeof source === 'string' ? source.toLowerCase() : ''
  return SOURCE_PATTERN.test(name) ? name : 'unknown'
}

/**
 * An address that can be kept and opened: of a web page, in ASCII, without what may hold secrets. One that has the token in
 * itself, or may have, is not kept at all.
 */
function readUrl(text: unknown, token: string): string | null {
  const url = typeof text === 'string' && text.length <= URL_CHARACTERS_MAX ? URL.parse(text) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null
  url.username = ''
  url.password = ''
  url.search = ''
  const { href } = url
  return href.length > URL_CHARACTERS_MAX || mayHold(href, token) ? null : href
}

/**
 * Somebody may have encoded the token, more than once, and beside what cannot be decoded; and the name of a host has lost its
 * capitals. All of it is compared byte by byte, since an address encodes bytes.
 */
function mayHold(href: string, token: string): boolean {
  if (token === '') return false
  const sought = Buffer.from(token).toString('latin1').toLowerCase()
  let text = href
  for (let times = 0; times < DECODED_TIMES_MAX; times++) {
    if (text.toLowerCase().includes(sought)) return true
    const decoded = decodeBytes(text)
    if (decoded === text) return false
    text = decoded
  }
  return true
}

function decodeBytes(text: string): string {
  return text.replace(/%[0-9a-f]{2}/gi, (encoded) => String.fromCharCode(Number.parseInt(encoded.slice(1), 16)))
}
