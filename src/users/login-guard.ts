import { KeywardError } from '../errors/keyward-error.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { Clock } from '../lib/clock.ts'
import { createKeyedQueue } from '../lib/keyed-queue.ts'
import {
  deleteLoginFailures,
  findLoginFailures,
  insertLoginFailure,
  type LoginSubject,
  nameLoginSubject,
  nameUnknownTokenSubject,
} from './login-failure-store.ts'
import { decideLogin, decideUnknownToken, type LoginDecision, type LoginLimits } from './login-limits.ts'

/**
 * Stands before everything that compares a password (`login-limits.ts` says what it decides).
 *
 * Failures are kept in the database, so that they outlive a restart and count on every server. They are written on their own
 * and not in the transaction of the command that failed, which is rolled back. Attempts from one address are made one after
 * the other, so that no number of them at once, or of aliases in one document, has more guesses; with several servers it is
 * one more guess for each.
 */
export interface LoginGuard {
  /**
   * What `verify` says, unless the attempt is refused without it.
   *
   * Throws RATE_LIMITED for an attempt that comes after too many failures, and UNAVAILABLE when too many from its address
   * wait already. What `verify` throws is no failure.
   */
  attempt(
    login: { readonly email: string; readonly ip: string | null },
    verify: () => Promise<boolean>,
  ): Promise<boolean>
  /**
   * Counts a token that is nobody's, and says whether it is the first from its address for as long as one counts. That one
   * is worth recording; a log that grows with each of them is a way for strangers to fill the disk.
   *
   * Throws RATE_LIMITED for one that comes after too many, and UNAVAILABLE when too many from its address wait already.
   */
  countUnknownToken(ip: string | null): Promise<{ readonly isFirst: boolean }>
}

export interface LoginGuardDeps {
  readonly prisma: PrismaClient
  readonly clock: Clock
  readonly newId: () => string
  readonly limits: LoginLimits
  /** Waits for some milliseconds. */
  readonly wait: (ms: number) => Promise<unknown>
}

/** Who comes later than this is told to come again: the last would wait for some five seconds. */
const WAITING_PER_SOURCE_MAX = 64

export function createLoginGuard({ prisma, clock, newId, limits, wait }: LoginGuardDeps): LoginGuard {
  const queue = createKeyedQueue({ waitingMax: WAITING_PER_SOURCE_MAX })

  async function attempt(subject: LoginSubject, verify: () => Promise<boolean>) {
    const failures = await findLoginFailures(prisma, subject, limits, new Date(clock.now()))
    const delayMs = requireAdmitted(decideLogin(failures, limits, new Date(clock.now())))
    const matches = await verify()
    if (matches) await deleteLoginFailures(prisma, subject)
    else await countFailure(subject)
    return { matches, delayMs }
  }

  async function countFailure(subject: LoginSubject): Promise<void> {
    const now = new Date(clock.now())
    const forgetBefore = new Date(now.getTime() - limits.windowMs)
    await insertLoginFailure(prisma, { ...subject, id: newId(), now, forgetBefore })
  }

  function runInTurn<T>({ source }: LoginSubject, work: () => Promise<T>): Promise<T> {
    const result = queue.run(Buffer.from(source).toString('hex'), work)
    if (result !== null) return result
    throw new KeywardError('UNAVAILABLE', 'Too many logins at once from this address.', { retryAfterSeconds: 1 })
  }

  return {
    async attempt({ email, ip }, verify) {
      const subject = nameLoginSubject(email, ip)
      const { matches, delayMs } = await runInTurn(subject, () => attempt(subject, verify))
      // Both answers alike: otherwise no answer in time would mean that the guess was wrong.
      if (delayMs > 0) await wait(delayMs)
      return matches
    },

    async countUnknownToken(ip) {
      const subject = nameUnknownTokenSubject(ip)
      return runInTurn(subject, async () => {
        const now = new Date(clock.now())
        const failures = await findLoginFailures(prisma, subject, limits, now)
        requireAdmitted(decideUnknownToken(failures, limits, now))
        await countFailure(subject)
        return { isFirst: failures.sourceFailures === 0 }
      })
    },
  }
}

/** Milliseconds that the answer is to be held back. Throws RATE_LIMITED. */
function requireAdmitted(decision: LoginDecision): number {
  if (decision.kind === 'admit') return decision.delayMs
  const { detail, retryAfterSeconds } = decision
  throw new KeywardError('RATE_LIMITED', detail, { retryAfterSeconds })
}
