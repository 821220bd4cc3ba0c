import type { KeySnapshot } from '../cache/snapshot.ts'
import type { Verdict } from '../verdict.ts'
import { formatVerdict } from '../verdict-json.ts'

/**
 * Who is let in, as headers for the service behind the proxy: a flat list of names and values.
 *
 * Every header is always there, empty when there is nothing to say. A proxy that copies the headers of this answer onto the
 * request thereby overwrites what the stranger wrote into headers of the same name.
 *
 * Values are printable ASCII. Other characters, and `%`, are percent-encoded as UTF-8, so that `decodeURIComponent` gives
 * back what was encoded, and no owner's name can end a header and begin another one.
 *
 * Their length is bounded, since proxies answer 500 when headers do not fit into their buffer (nginx: 4 KB for all). An
 * owner is left out rather than cut, because half a name could be another one's. Scopes are cut after a whole name, which
 * takes away and never adds; `X-Keyward-Scopes-Truncated` then says so.
 */
export type ForwardIdentity = (verdict: Verdict) => readonly string[]

const OWNER_LENGTH_MAX = 512
const SCOPES_LENGTH_MAX = 2_048
/** Outside of printable ASCII without space; and the sign that begins an encoding. */
const UNSAFE_CHARACTERS = /[^\x21-\x24\x26-\x7e]+/g

export function createForwardIdentity(): ForwardIdentity {
  // A snapshot never changes, and the headers go when it goes.
  const known = new WeakMap<KeySnapshot, readonly string[]>()
  return (verdict) => {
    const { snapshot } = verdict
    if (snapshot === null) return []
    const headers = known.get(snapshot) ?? formatIdentity(verdict)
    known.set(snapshot, headers)
    return headers
  }
}

/** Percent-encodes what may not stand in a header. */
export function encodeHeaderValue(text: string): string {
  return text.toWellFormed().replaceAll(UNSAFE_CHARACTERS, encodeURIComponent)
}

/** Read from the answer that `POST /verify` would give, so that the two cannot disagree. */
function formatIdentity(verdict: Verdict): readonly string[] {
  const answer: unknown = JSON.parse(formatVerdict(verdict, ''))
  const text = (name: string): string => {
    const value = memberOf(answer, name)
    return typeof value === 'string' ? encodeHeaderValue(value) : ''
  }
  const owner = text('ownerId')
  const scopes = joinScopes(memberOf(answer, 'scopes'))
  return [
    'X-Keyward-Key-Id',
    text('keyId'),
    'X-Keyward-Tenant',
    text('tenantSlug'),
    'X-Keyward-Tenant-Id',
    text('tenantId'),
    'X-Keyward-Owner',
    owner.length <= OWNER_LENGTH_MAX ? owner : '',
    'X-Keyward-Environment',
    text('environment'),
    'X-Keyward-Scopes',
    scopes.text,
    ...(scopes.isTruncated ? ['X-Keyward-Scopes-Truncated', 'true'] : []),
  ]
}

function joinScopes(scopes: unknown): { readonly text: string; readonly isTruncated: boolean } {
  let text = ''
  for (const scope of Array.isArray(scopes) ? scopes : []) {
    const name = encodeHeaderValue(String(scope))
    const longer = text === '' ? name : `${text},${name}`
    if (longer.length > SCOPES_LENGTH_MAX) return { text, isTruncated: true }
    text = longer
  }
  return { text, isTruncated: false }
}

function memberOf(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null
    ? Object.entries(object).find(([key]) => key === name)?.[1]
    : null
}
