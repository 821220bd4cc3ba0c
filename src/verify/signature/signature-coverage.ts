import type { Component } from './component-value.ts'
import { parseDictionary } from './parse-structured-field.ts'
import { combineField, type SignedMessage } from './signed-message.ts'

/**
 * What a signature must cover to count (RFC 9421 §7.2.1). One that covers less could be moved to another request:
 *
 * - `@method`;
 * - the target: `@target-uri`, or `@request-target`, or `@path` and, when there is a query, `@query`. The host is
 *   covered by the first alone; signers that use a key with several hosts add `@authority`;
 * - `content-digest`, whenever it is there, and whenever the request has a body or may have one.
 *
 * The body itself does not travel to us. A covered digest binds it only if somebody compares the two: the verifier
 * gives us the SHA-256 of the body that it received, and we compare, or it compares by itself.
 */
export function findCoverageFault(components: readonly Component[], message: SignedMessage): string | null {
  const plain = new Set(components.filter(isWhole).map(({ name }) => name))
  if (!plain.has('@method')) return 'The signature does not cover `@method`.'
  if (!coversTarget(plain, message)) {
    return 'The signature covers neither `@target-uri` nor `@request-target`, nor `@path` and the whole `@query`.'
  }
  if (plain.has('content-digest')) return findDigestFault(message)
  if (message.fields.has('content-digest')) return 'The signature does not cover `content-digest`.'
  return mayHaveBody(message) ? 'The request can have a body, and the signature covers no `content-digest`.' : null
}

/** A single member of a dictionary leaves the others open to change. */
function isWhole({ item }: Component): boolean {
  return !item.parameters.has('key')
}

function coversTarget(plain: ReadonlySet<string>, { target }: SignedMessage): boolean {
  if (plain.has('@target-uri') || plain.has('@request-target')) return true
  return plain.has('@path') && (target.query === '' || plain.has('@query'))
}

const EMPTY_BODY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
/** Methods whose requests have a body for an exception only (RFC 9110 §9.3). */
const BODILESS_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/** In doubt a request can have one: HTTP/2 needs no field that would announce it. */
function mayHaveBody({ method, fields, bodySha256 }: SignedMessage): boolean {
  if (bodySha256 !== null) return bodySha256 !== EMPTY_BODY_SHA256
  if (fields.has('transfer-encoding')) return true
  const length = combineField(fields, 'content-length')
  return length === null ? !BODILESS_METHODS.has(method) : length !== '0'
}

/** RFC 9530 §5: the algorithms of its registry that withstand an attacker. */
const DIGEST_BYTES: ReadonlyMap<string, number> = new Map([
  ['sha-256', 32],
  ['sha-512', 64],
])

/** A digest that nobody can check would bind nothing, however well it is signed. */
function findDigestFault({ fields, bodySha256 }: SignedMessage): string | null {
  const digests = parseDictionary(combineField(fields, 'content-digest') ?? '')
  if (digests === null) return 'The field `content-digest` is not a dictionary.'
  let strongCount = 0
  for (const [algorithm, member] of digests) {
    if (member.kind !== 'item' || member.bare.type !== 'bytes') return 'A `content-digest` is not a byte sequence.'
    const length = DIGEST_BYTES.get(algorithm)
    if (length === undefined) continue
    if (member.bare.value.length !== length) return `The \`content-digest\` ${algorithm} does not have ${length} bytes.`
    strongCount++
  }
  if (strongCount === 0) return 'The field `content-digest` has neither sha-256 nor sha-512.'
  if (bodySha256 === null) return null
  const digest = digests.get('sha-256')
  if (digest?.kind !== 'item' || digest.bare.type !== 'bytes') {
    return 'The field `content-digest` has no sha-256 that `bodySha256` could be compared with.'
  }
  // Neither of the two is secret.
  return Buffer.from(digest.bare.value).toString('hex') === bodySha256
    ? null
    : 'The body is not the one that was signed.'
}
