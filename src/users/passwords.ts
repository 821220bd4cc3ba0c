import argon2 from 'argon2'
import { KeywardError } from '../errors/keyward-error.ts'
import { createSemaphore } from '../lib/semaphore.ts'

/** argon2id with the library's own cost, which follows RFC 9106's second recommended option. */
const OPTIONS = { type: argon2.argon2id } as const

/** Each computation takes 64 MiB and a thread of the pool for tens of milliseconds; more at once only queue elsewhere. */
const CONCURRENT_MAX = 2

/** Who comes later than this is told to come again rather than kept waiting for seconds. */
const WAITING_MAX = 64

export interface Passwords {
  /** The PHC string to store. */
  hash(password: string): Promise<string>
  /**
   * Whether the password is the one. Without a hash, when there is no such account, it takes the same time to say no.
   * Throws UNAVAILABLE when too many wait already.
   */
  verify(passwordHash: string | null, password: string): Promise<boolean>
}

export function createPasswords(): Passwords {
  const semaphore = createSemaphore({ concurrentMax: CONCURRENT_MAX, waitingMax: WAITING_MAX })
  // The hash of a password that nobody has: made once, so that a login for no account costs what any login costs.
  const decoy = argon2.hash(crypto.randomUUID(), OPTIONS)

  async function limited<T>(work: () => Promise<T>): Promise<T> {
    const result = semaphore.run(work)
    if (result === null) throw new KeywardError('UNAVAILABLE', 'Too many logins at once.', { retryAfterSeconds: 1 })
    return await result
  }

  return {
    hash: (password) => limited(() => argon2.hash(password, OPTIONS)),
    verify: (passwordHash, password) =>
      limited(async () => {
        const matches = await argon2.verify(passwordHash ?? (await decoy), password)
        return matches && passwordHash !== null
      }),
  }
}
