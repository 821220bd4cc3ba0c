/** What a key's times say about it, once revoked always revoked. */
export type ApiKeyStatus = 'ACTIVE' | 'DISABLED' | 'EXPIRED' | 'REVOKED'

export interface ApiKeyLifecycle {
  readonly expiresAt: Date | null
  readonly disabledAt: Date | null
  readonly revokedAt: Date | null
}

/**
 * The status that people see. The order is that of the verdicts of `/verify`: a key that is both disabled and expired is
 * answered DISABLED and shown as such. A key is expired from the millisecond of `expiresAt` on.
 */
export function deriveKeyStatus(key: ApiKeyLifecycle, now: Date): ApiKeyStatus {
  if (key.revokedAt !== null) return 'REVOKED'
  if (key.disabledAt !== null) return 'DISABLED'
  if (key.expiresAt !== null && key.expiresAt <= now) return 'EXPIRED'
  return 'ACTIVE'
}
