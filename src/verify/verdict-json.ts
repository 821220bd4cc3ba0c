import { stringifyAscii } from '../lib/ascii-json.ts'
import type { LimitStatus } from './limits/limit-decision.ts'
import { textEachLimit } from './limits/limit-texts.ts'
import type { Verdict } from './verdict.ts'
import { DENIAL_DETAILS } from './verdict-code.ts'

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
  const limits = verdict.limits.length === 0 ? NO_LIMITS : formatLimits(verdict.limits)
  const credits = verdict.creditsRemaining === null ? NO_CREDITS : formatCredits(verdict.creditsRemaining)
  const closing = verdict.stale ? STALE_CLOSING : FRESH_CLOSING
  return opening + key.identityJson + limits + credits + key.rotationJson + closing
}

const VALID_OPENING = '{"valid":true,"code":"VALID","requestId":"'
const NOT_FOUND_OPENING = '{"valid":false,"code":"NOT_FOUND","requestId":"'
const NOT_FOUND_CLOSING = `","detail":${stringifyAscii(DENIAL_DETAILS.NOT_FOUND)}}`
const NO_LIMITS = ',"limits":[]'
const NO_CREDITS = ',"credits":null'
const FRESH_CLOSING = ',"stale":false}'
const STALE_CLOSING = ',"stale":true}'

/** Few and long parts: a text that is joined from many short ones takes longer to gather than to write. */
function formatLimits(limits: readonly LimitStatus[]): string {
  let members = ''
  for (const { name, scope, limit, remaining, resetSeconds } of limits) {
    const opening = (members === '' ? FIRST_LIMIT : FURTHER_LIMIT)[scope][name]
    members += `${opening}${limit},"remaining":${remaining},"resetSeconds":${resetSeconds}`
  }
  return `${members}}]`
}

/** Up to the limit itself. */
const FIRST_LIMIT = textEachLimit((scope, name) => `,"limits":[{"name":"${name}","scope":"${scope}","limit":`)
const FURTHER_LIMIT = textEachLimit((scope, name) => `},{"name":"${name}","scope":"${scope}","limit":`)

function formatCredits(remaining: number): string {
  return `,"credits":{"remaining":${remaining}}`
}

/** Ends inside a string, as `identityJson` expects. */
function formatDenial(verdict: Verdict, requestId: string): string {
  const { code, detail, missingScopes, retryAfterSeconds } = verdict
  const missing = missingScopes === null ? '' : `"missingScopes":${stringifyAscii(missingScopes)},`
  const retryAfter = retryAfterSeconds === null ? '' : `"retryAfterSeconds":${retryAfterSeconds},`
  return `{"valid":false,"code":"${code}",${missing}${retryAfter}"detail":${stringifyAscii(detail)},"requestId":"${requestId}`
}
