import type { InputIssue } from '../../errors/keyward-error.ts'
import type { ParseVerifyRequest } from '../routes/parse-verify-request.ts'
import type { VerifyRequest } from '../verify-request.ts'
import { findCanonicalIssues, readCanonicalSignature } from './parse-canonical-signature.ts'
import { parseSignedMessage } from './parse-signed-message.ts'
import { readHttpSignature } from './read-http-signature.ts'
import type { SignatureClaim } from './signature-claim.ts'
import type { SignedMessage } from './signed-message.ts'

/**
 * Reads the body of `POST /verify/signature`. A signed request comes in one of two forms:
 *
 * - ours: `keyId`, `timestamp`, `nonce`, `method`, `path`, `bodySha256`, `signature`;
 * - `httpSignature`, with `keyId` beside it where the headers name several keys.
 *
 * The rest is what `POST /verify` takes beside `key`, and is read by its own parser. What the verifier says has to be
 * well-formed, or the answer is 400. What its client signed, or failed to sign, is for the verdict.
 */
export type SignatureRequestParse =
  | { readonly ok: true; readonly request: SignedVerifyRequest }
  | { readonly ok: false; readonly issues: readonly InputIssue[] }

export interface SignedVerifyRequest {
  readonly claim: SignatureClaim
  /** What else is asked about the key. Its `key` is empty; method and path are those that were signed. */
  readonly rest: VerifyRequest
}

export type ParseSignatureRequest = (body: unknown) => SignatureRequestParse

type Fields = Readonly<Record<string, unknown>>

/** Fields that `POST /verify` knows nothing of. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'keyId',
  'timestamp',
  'nonce',
  'bodySha256',
  'signature',
  'httpSignature',
])
/** Fields that say in our form what `httpSignature` says in its own. */
const CANONICAL_FIELDS = ['timestamp', 'nonce', 'method', 'path', 'bodySha256', 'signature'] as const

/** Longer texts are no key's id, and are told so without being looked at. */
const KEY_ID_LENGTH_MAX = 256
/** A body of garbage is told its first faults, not thousands. */
const ISSUES_MAX = 20

export function createSignatureRequestParser(parseVerifyRequest: ParseVerifyRequest): ParseSignatureRequest {
  function parseCanonical(fields: Fields): SignatureRequestParse {
    const rest = parseVerifyRequest(selectRest(fields, {}))
    const issues = [...findOwnIssues(fields), ...findCanonicalIssues(fields), ...(rest.ok ? [] : rest.issues)]
    if (!rest.ok || issues.length > 0) return refuse(issues)
    return { ok: true, request: { claim: readCanonicalSignature(fields, rest.request), rest: rest.request } }
  }

  function parseHttp(fields: Fields): SignatureRequestParse {
    const message = parseSignedMessage(fields.httpSignature)
    const rest = parseVerifyRequest(selectRest(fields, message.ok ? toMethodAndPath(message.message) : {}))
    const issues = [
      ...findOwnIssues(fields),
      ...findMisplaced(fields),
      ...(message.ok ? [] : message.issues),
      ...(rest.ok ? [] : rest.issues),
    ]
    if (!rest.ok || !message.ok || issues.length > 0) return refuse(issues)
    const keyId = typeof fields.keyId === 'string' ? fields.keyId : null
    return { ok: true, request: { claim: readHttpSignature(message.message, keyId), rest: rest.request } }
  }

  return (body) => {
    if (!isFields(body)) return { ok: false, issues: [{ path: [], detail: 'It is an object.' }] }
    return body.httpSignature === undefined ? parseCanonical(body) : parseHttp(body)
  }
}

/** The body as `POST /verify` would have it. It has no prototype, so that a field of any name is only a field. */
function selectRest(fields: Fields, signed: Fields): Fields {
  const rest: Record<string, unknown> = Object.create(null)
  for (const name of Object.keys(fields)) {
    if (!OWN_FIELDS.has(name) && fields[name] !== undefined) rest[name] = fields[name]
  }
  return Object.assign(rest, signed, { key: '' })
}

/** Path and query in one, as `path` is elsewhere. */
function toMethodAndPath({ method, target }: SignedMessage): Fields {
  return { method, path: target.path + target.query }
}

function findOwnIssues({ key, keyId, httpSignature }: Fields): readonly InputIssue[] {
  const issues: InputIssue[] = []
  if (key !== undefined)
    issues.push({ path: ['key'], detail: 'There is no such field: a signed request sends no key.' })
  if (keyId === undefined) {
    if (httpSignature === undefined) issues.push({ path: ['keyId'], detail: 'It is required.' })
  } else if (typeof keyId !== 'string' || keyId.length > KEY_ID_LENGTH_MAX) {
    issues.push({ path: ['keyId'], detail: `It is a string of at most ${KEY_ID_LENGTH_MAX} characters.` })
  }
  return issues
}

function findMisplaced(fields: Fields): readonly InputIssue[] {
  return CANONICAL_FIELDS.filter((name) => fields[name] !== undefined).map((name) => ({
    path: [name],
    detail: 'It is not given beside `httpSignature`.',
  }))
}

function refuse(issues: readonly InputIssue[]): SignatureRequestParse {
  return { ok: false, issues: issues.slice(0, ISSUES_MAX) }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
