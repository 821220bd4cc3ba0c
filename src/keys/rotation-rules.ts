import type { InputIssue } from '../errors/keyward-error.ts'
import type { ApiKeyLifecycle } from './key-status.ts'

/** Thirty days. A longer overlap is two keys, and those can be told apart. */
export const GRACE_SECONDS_MAX = 2_592_000
/** Tokens of one key that count at once: the new one and those whose grace has not ended. All of them are shown. */
export const LIVE_SECRETS_MAX = 10

export type RotationActivation = 'IMMEDIATELY' | 'ON_FIRST_USE'

export interface RotateKeyInput {
  readonly id: string
  readonly gracePeriodSeconds?: number | null | undefined
  readonly activate?: RotationActivation | null | undefined
  readonly expectedVersion?: number | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

export interface SecretLife {
  readonly id: string
  readonly activatedAt: Date | null
  readonly retiresAt: Date | null
}

export function validateRotation({ gracePeriodSeconds }: RotateKeyInput): readonly InputIssue[] {
  if (gracePeriodSeconds == null) return []
  if (Number.isInteger(gracePeriodSeconds) && gracePeriodSeconds >= 0 && gracePeriodSeconds <= GRACE_SECONDS_MAX)
    return []
  return [{ path: ['input', 'gracePeriodSeconds'], detail: `must be whole seconds from 0 to ${GRACE_SECONDS_MAX}` }]
}

/** Why the key's state forbids a new token; null when it does not. A disabled key can rotate and stays disabled. */
export function findRotationObstacle({ revokedAt, expiresAt }: ApiKeyLifecycle, now: Date): string | null {
  if (revokedAt !== null) return 'The key is revoked, which is final.'
  return expiresAt !== null && expiresAt <= now ? 'The key has expired.' : null
}

/** When tokens stop counting that are replaced now: at the end of the grace, and never after the key itself. */
export function computeRetirement(now: Date, graceSeconds: number, keyExpiresAt: Date | null): Date {
  const graceEnd = new Date(now.getTime() + graceSeconds * 1000)
  return keyExpiresAt !== null && keyExpiresAt < graceEnd ? keyExpiresAt : graceEnd
}

/**
 * The secrets that retire when another takes their place at `retiresAt`: those that would count beyond it. A grace that
 * is running is shortened, never prolonged. What waits for its first use is not among them.
 */
export function findReplaced<Secret extends SecretLife>(
  secrets: readonly Secret[],
  retiresAt: Date,
): readonly Secret[] {
  return secrets.filter(
    (secret) => secret.activatedAt !== null && (secret.retiresAt === null || secret.retiresAt > retiresAt),
  )
}
