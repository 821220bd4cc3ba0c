import argon2 from 'argon2'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { createThread } from '../lib/thread.ts'
import type { PasswordCandidate } from './password-strength.ts'

/** argon2id with the library's own cost, which follows RFC 9106's second recommended option. */
const OPTIONS = { type: argon2.argon2id } as const

/** Each computation takes 64 MiB and a thread of the pool for tens of milliseconds; more at once only queue elsewhere. */
const CONCURRENT_MAX = 2

/** Who comes later than this is told to come again rather than kept waiting for seconds. */
const WAITING_MAX = 64

/** The first check reads the dictionaries, on a machine that may be slow and busy. */
const STRENGTH_DEADLINE_MS = 20_000

export interface Passwords {
  /** The PHC string to store. */
  hash(password: string): Promise<string>
  /**
   * Whether the password is the one. Without a hash, when there is no such account, it takes the same time to say no.
   * Throws UNAVAILABLE when too many wait already.
   */
  verify(passwordHash: string | null, password: string): Promise<boolean>
  /**
   * Throws VALIDATION_FAILED for a new password that is too easy to guess, and UNAVAILABLE when too many wait already.
   * The length is to be looked at before (`password-rules.ts`).
   *
   * @param path where the password stands in the input
   */
  requireStrong(candidate: PasswordCandidate, path: readonly string[]): Promise<void>
  stop(): Promise<void>
}

export function createPasswords(): Passwords {
  const semaphore = createSemaphore({ concurrentMax: CONCURRENT_MAX, waitingMax: WAITING_MAX })
  // The hash of a password that nobody has: made once, so that a login for no account costs what any login costs.
  const decoy = argon2.hash(crypto.randomUUID(), OPTIONS)
  const strength = createThread<PasswordCandidate, string | null>({
    module: new URL('./password-strength-thread.ts', import.meta.url),
    waitingMax: WAITING_MAX,
    deadlineMs: STRENGTH_DEADLINE_MS,
  })

  async function limited<T>(result: Promise<T> | null): Promise<T> {
    if (result === null) throw new KeywardError('UNAVAILABLE', 'Too many logins at once.', { retryAfterSeconds: 1 })
    return await result
  }

  return {
    hash: (password) => limited(semaphore.run(() => argon2.hash(password, OPTIONS))),
    verify: (passwordHash, password) =>
      limited(
        semaphore.run(async () => {
          const matches = await argon2.verify(passwordHash ?? (await decoy), password)
          return matches && passwordHash !== null
        }),
      ),
    async requireStrong(candidate, path) {
      const weakness = await limited(strength.call(candidate))
      if (weakness !== null) throw validationFailed([{ path, detail: weakness }])
    },
    stop: () => strength.stop(),
  }
}
