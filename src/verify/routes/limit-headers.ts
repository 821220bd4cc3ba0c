import { formatRateLimit } from '../limits/rate-limit-headers.ts'
import type { Verdict } from '../verdict.ts'

/** Adds what a verdict says of limits to a flat list of header names and values. */
export function addLimitHeaders(headers: string[], { limits, retryAfterSeconds }: Verdict): void {
  const fields = formatRateLimit(limits)
  if (fields !== null) headers.push('RateLimit-Policy', fields.policy, 'RateLimit', fields.rateLimit)
  if (retryAfterSeconds !== null) headers.push('Retry-After', String(retryAfterSeconds))
}

/** The same as lines of a head, each ended by CRLF. */
export function formatLimitFields({ limits, retryAfterSeconds }: Verdict): string {
  const fields = formatRateLimit(limits)
  const retryAfter = retryAfterSeconds === null ? '' : `Retry-After: ${retryAfterSeconds}\r\n`
  return fields === null
    ? retryAfter
    : `RateLimit-Policy: ${fields.policy}\r\nRateLimit: ${fields.rateLimit}\r\n${retryAfter}`
}
