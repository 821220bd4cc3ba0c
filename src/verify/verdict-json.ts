import type { Verdict } from './verdict.ts'

/**
 * The body of an answer, joined from parts that were serialised when the snapshot was made. `requestId` consists of
 * characters that need no escaping in JSON (`http/request-id.ts` sees to that).
 *
 * NOT_FOUND has its own form: whatever else it said could tell an unknown key from one that the verifier may not see.
 */
export function formatVerdict(verdict: Verdict, requestId: string): string {
  const { code, snapshot } = verdict
  const opening = `{"valid":${code === 'VALID'},"code":"${code}","requestId":"${requestId}",`
  if (snapshot === null) return `${opening}"detail":${JSON.stringify(verdict.detail)}}`
  const denial = code === 'VALID' ? '' : formatDenial(verdict)
  return `${opening}${denial}${snapshot.identityJson},"limits":[],"credits":null,${snapshot.rotationJson},"stale":${verdict.stale}}`
}

function formatDenial(verdict: Verdict): string {
  const detail = `"detail":${JSON.stringify(verdict.detail)},`
  return verdict.missingScopes === null ? detail : `${detail}"missingScopes":${JSON.stringify(verdict.missingScopes)},`
}
