import { formatRateLimit } from '../limits/rate-limit-headers.ts'
import type { Verdict } from '../verdict.ts'

/** What a verdict says of limits, as a flat list of header names and values. */
export function limitHeaders({ limits, retryAfterSeconds }: Verdict): string[] {
  const headers: string[] = []
  const fields = formatRateLimit(limits)
  if (fields !== null) headers.push('RateLimit-Policy', fields.policy, 'RateLimit', fields.rateLimit)
  if (retryAfterSeconds !== null) headers.push('Retry-After', String(retryAfterSeconds))
  return headers
}
