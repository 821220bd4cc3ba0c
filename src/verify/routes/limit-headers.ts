import { formatRateLimit } from '../limits/rate-limit-headers.ts'
import type { Verdict } from '../verdict.ts'

/** Adds what a verdict says of limits to a flat list of header names and values. */
export function addLimitHeaders(headers: string[], { limits, retryAfterSeconds }: Verdict): void {
  const fields = formatRateLimit(limits)
  if (fields !== null) headers.push('RateLimit-Policy', fields.policy, 'RateLimit', fields.rateLimit)
  if (retryAfterSeconds !== null) headers.push('Retry-After', String(retryAfterSeconds))
}
