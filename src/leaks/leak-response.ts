import type { LeakPolicy } from '../configs/effective-config.ts'
import { type ApiKeyLifecycle, deriveKeyStatus } from '../keys/key-status.ts'
import { deriveSecretState } from '../keys/secret-state.ts'

/** A token that was found in public, as far as it matters to what is done about it. */
export interface FoundToken {
  readonly policy: LeakPolicy
  readonly key: ApiKeyLifecycle
  readonly secret: {
    readonly activatedAt: Date | null
    readonly retiresAt: Date | null
    /** When it was last told that the token was found. */
    readonly leakedAt: Date | null
  }
}

/** Scanners find a token again with each commit and each fork. Lower, and they fill inboxes; higher, and a key goes on unnoticed. */
const REPEAT_MS = 24 * 60 * 60 * 1000

/**
 * What is to be done about a token that was found, which is what its key's policy says as long as that changes anything; null
 * when nothing is. So a report that comes again, and one about a key that is dealt with, does nothing.
 *
 * What can never count again, a revoked key and a token that has retired, is left alone. What does not count now but may
 * later is not: an expired key can be prolonged, a disabled one enabled, and the first use of a token that waits for it might be
 * the finder's.
 *
 * That a key was found is told when it was not told before, and once a day while the token is of use to its finder.
 */
export function planLeakResponse({ policy, key, secret }: FoundToken, now: Date): LeakPolicy | null {
  if (key.revokedAt !== null || deriveSecretState(secret, now) === 'RETIRED') return null
  if (policy === 'REVOKE') return 'REVOKE'
  if (policy === 'DISABLE' && key.disabledAt === null) return 'DISABLE'
  if (secret.leakedAt === null) return 'ALERT'
  const isOfUse = deriveKeyStatus(key, now) === 'ACTIVE'
  return isOfUse && now.getTime() - secret.leakedAt.getTime() >= REPEAT_MS ? 'ALERT' : null
}
