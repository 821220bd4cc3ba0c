import { stringifyAscii } from '../lib/ascii-json.ts'
import { DENIAL_DETAILS, type Verdict } from './verdict.ts'

/**
 * The body of an answer, joined from parts that were serialised when the snapshot was made. It is ASCII throughout, so
 * that its length is its length in bytes. `requestId` consists of characters that need no escaping in JSON
 * (`http/request-id.ts` sees to that).
 *
 * NOT_FOUND has its own form: whatever else it said could tell an unknown key from one that the verifier may not see.
 */
export function formatVerdict(verdict: Verdict, requestId: string): string {
  const key = verdict.snapshot
  if (key === null) return NOT_FOUND_OPENING + requestId + NOT_FOUND_CLOSING
  const opening = verdict.code === 'VALID' ? VALID_OPENING + requestId : formatDenial(verdict, requestId)
  return opening + key.identityJson + key.rotationJson + (verdict.stale ? STALE_CLOSING : FRESH_CLOSING)
}

const VALID_OPENING = '{"valid":true,"code":"VALID","requestId":"'
const NOT_FOUND_OPENING = '{"valid":false,"code":"NOT_FOUND","requestId":"'
const NOT_FOUND_CLOSING = `","detail":${stringifyAscii(DENIAL_DETAILS.NOT_FOUND)}}`
const FRESH_CLOSING = ',"limits":[],"credits":null,"stale":false}'
const STALE_CLOSING = ',"limits":[],"credits":null,"stale":true}'

/** Ends inside a string, as `identityJson` expects. */
function formatDenial({ code, detail, missingScopes }: Verdict, requestId: string): string {
  const missing = missingScopes === null ? '' : `"missingScopes":${stringifyAscii(missingScopes)},`
  return `{"valid":false,"code":"${code}",${missing}"detail":${stringifyAscii(detail)},"requestId":"${requestId}`
}
