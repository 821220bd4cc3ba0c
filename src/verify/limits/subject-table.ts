import type { Limiter, LimitName, LimitScope } from './limiter.ts'
import { QuotaCount } from './quota-count.ts'
import type { QuotaLedger } from './quota-ledger.ts'
import { MINUTE_MS, SECOND_MS, SlidingWindow } from './sliding-window.ts'
import { TokenBucket } from './token-bucket.ts'
import type { WindowSlab } from './window-slab.ts'

/** The limiters of one key or one tenant. A limiter is made when a limit of its name is first in force. */
export interface Subject {
  readonly id: string
  /** Whose share of the table the subject takes. */
  readonly tenantId: string
  /** The table that it is in; null once that has forgotten it. Whoever still holds it then must not use it any more. */
  table: SubjectTable | null
  lastUsedMs: number
  second: TokenBucket | null
  minute: SlidingWindow | null
  hour: SlidingWindow | null
  day: QuotaCount | null
  month: QuotaCount | null
}

export interface SubjectTableOptions {
  readonly scope: LimitScope
  readonly subjectsMax: number
  /** What one tenant may take of it, so that a tenant with many keys cannot shut out the keys of others. */
  readonly perTenantMax: number
  readonly slab: WindowSlab
  readonly ledger: QuotaLedger
}

/**
 * The limiters of all keys, or of all tenants, that were used lately.
 *
 * A subject may be forgotten when all its limiters are idle: empty windows, a full bucket, counts that storage has
 * completely. That loses nothing, a new state is the same. Others are never forgotten, since a limit would open:
 * anybody with enough keys could reset one by verifying the rest. So when the table is full of active subjects, a new
 * one is refused and those that are in it go on exactly. That is 503 for a key that was not used in the last hour, and
 * a sign to raise the bound; growing without one ends in no memory for all. Idle ones are found by a hand that walks
 * round the table, for a new subject and in `sweep`. Of the idle ones it passes, the one that was not used for longest
 * goes first.
 *
 * Memory per subject, measured with its entry in the table: about 0.25 KB, plus 0.05 KB for a token bucket, 0.55 KB for
 * each sliding window and 0.4 KB for each quota. 100,000 keys with limits per minute and day take 120 MB.
 */
export class SubjectTable {
  readonly #options: SubjectTableOptions
  readonly #subjects = new Map<string, Subject>()
  readonly #counts = new Map<string, number>()
  #hand = this.#subjects.values()

  constructor(options: SubjectTableOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#subjects.size
  }

  find(id: string): Subject | undefined {
    return this.#subjects.get(id)
  }

  /** A new subject that is not in the table yet, or null when there is no place for it. */
  open(id: string, tenantId: string, steadyMs: number): Subject | null {
    const full = this.#subjects.size >= this.#options.subjectsMax
    const count = this.#counts.get(tenantId) ?? 0
    if (full || count >= this.#options.perTenantMax) {
      const mine = full ? null : tenantId
      if (!this.#forgetOne(steadyMs, mine)) return null
    }
    const subject: Subject = {
      id,
      tenantId,
      table: this,
      lastUsedMs: steadyMs,
      second: null,
      minute: null,
      hour: null,
      day: null,
      month: null,
    }
    this.#subjects.set(id, subject)
    this.#counts.set(tenantId, (this.#counts.get(tenantId) ?? 0) + 1)
    return subject
  }

  /** The limiter for a name, made if missing; a quota is made without counts and has to be loaded. */
  limiter(subject: Subject, name: LimitName): Limiter {
    const { slab } = this.#options
    switch (name) {
      case 'second':
        subject.second ??= new TokenBucket()
        return subject.second
      case 'minute':
        subject.minute ??= new SlidingWindow(slab.take(), SECOND_MS)
        return subject.minute
      case 'hour':
        subject.hour ??= new SlidingWindow(slab.take(), MINUTE_MS)
        return subject.hour
      default:
        return this.quota(subject, name)
    }
  }

  quota(subject: Subject, name: 'day' | 'month'): QuotaCount {
    const { ledger, scope } = this.#options
    subject[name] ??= new QuotaCount(ledger, scope, subject.id, name)
    return subject[name]
  }

  /** Forgets idle subjects that were not used for `idleMs`, looking at no more than `steps`. */
  sweep(steadyMs: number, idleMs: number, steps: number): void {
    for (let i = Math.min(steps, this.#subjects.size); i > 0; i--) {
      const subject = this.#step()
      if (subject === undefined) return
      if (steadyMs - subject.lastUsedMs >= idleMs && isIdle(subject, steadyMs)) this.#forget(subject)
    }
  }

  #forgetOne(steadyMs: number, tenantId: string | null): boolean {
    let found: Subject | null = null
    for (let i = Math.min(SEARCH_STEPS, this.#subjects.size); i > 0; i--) {
      const subject = this.#step()
      if (subject === undefined) break
      if (tenantId !== null && subject.tenantId !== tenantId) continue
      if (found !== null && subject.lastUsedMs >= found.lastUsedMs) continue
      if (isIdle(subject, steadyMs)) found = subject
    }
    if (found !== null) this.#forget(found)
    return found !== null
  }

  #step(): Subject | undefined {
    const next = this.#hand.next()
    if (next.done !== true) return next.value
    this.#hand = this.#subjects.values()
    return this.#hand.next().value
  }

  #forget(subject: Subject): void {
    subject.table = null
    this.#subjects.delete(subject.id)
    const count = (this.#counts.get(subject.tenantId) ?? 1) - 1
    if (count > 0) this.#counts.set(subject.tenantId, count)
    else this.#counts.delete(subject.tenantId)
    for (const window of [subject.minute, subject.hour]) if (window !== null) this.#options.slab.giveBack(window.slot)
    for (const quota of [subject.day, subject.month]) quota?.close()
  }
}

/**
 * Bounds the work for one new subject. In a table of which a tenth is idle, all of 128 are active once in 700,000
 * searches.
 */
const SEARCH_STEPS = 128

function isIdle({ second, minute, hour, day, month }: Subject, steadyMs: number): boolean {
  if (second !== null && !second.isIdle(steadyMs)) return false
  if (minute !== null && !minute.isIdle(steadyMs)) return false
  if (hour !== null && !hour.isIdle(steadyMs)) return false
  return (day === null || day.isIdle()) && (month === null || month.isIdle())
}
