import { UNLIMITED } from '../configs/effective-config.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** What a configuration says about how long keys live, in days; -1: nothing. */
export interface KeyTtl {
  readonly defaultDays: number
  readonly maxDays: number
}

export interface AskedExpiry {
  readonly expiresAt?: Date | null | undefined
  readonly ttlDays?: number | null | undefined
}

/**
 * When a new key expires; null: never. A time to live counts days of 24 hours from now. Who asks for nothing gets the
 * default, and never more than the maximum.
 */
export function resolveExpiry({ expiresAt, ttlDays }: AskedExpiry, now: Date, ttl: KeyTtl): Date | null {
  if (ttlDays != null) return addDays(now, ttlDays)
  if (expiresAt != null) return expiresAt
  const limits = [ttl.defaultDays, ttl.maxDays].filter((days) => days !== UNLIMITED)
  return limits.length === 0 ? null : addDays(now, Math.min(...limits))
}

/** Why a key that was or is being created at `createdAt` cannot be given that expiry; null when it can. */
export function findExpiryFault(expiresAt: Date | null, createdAt: Date, now: Date, maxDays: number): string | null {
  if (expiresAt !== null && expiresAt <= now) return 'must lie in the future'
  if (maxDays === UNLIMITED) return null
  if (expiresAt !== null && expiresAt <= addDays(createdAt, maxDays)) return null
  return `must be at most ${maxDays} days after the key was created, as the tenant's configuration says`
}

function addDays(instant: Date, days: number): Date {
  return new Date(instant.getTime() + days * DAY_MS)
}
