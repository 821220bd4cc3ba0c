import type { Limiter, LimitName, LimitScope } from './limiter.ts'
import { isPackedIdle, type PackedWindow } from './packed-window.ts'
import { QuotaCount } from './quota-count.ts'
import type { QuotaLedger } from './quota-ledger.ts'
import { MINUTE_MS, SECOND_MS, SlidingWindow } from './sliding-window.ts'
import { TokenBucket } from './token-bucket.ts'
import type { WindowSlab } from './window-slab.ts'

/** The limiters of one key or one tenant. A limiter is made when a limit of its name is first in force. */
export interface Subject {
  readonly id: string
  /** Whose part of the table the subject takes. */
  readonly share: TenantShare
  /** The table that it is in; null once that has forgotten it. Whoever still holds it then must not use it any more. */
  table: SubjectTable | null
  second: TokenBucket | null
  /** Null also while the window is packed. */
  minute: SlidingWindow | null
  hour: SlidingWindow | null
  day: QuotaCount | null
  month: QuotaCount | null
  packedMinute: PackedWindow | null
  packedHour: PackedWindow | null
}

/** What one tenant takes of the table. */
interface TenantShare {
  readonly tenantId: string
  count: number
}

export interface SubjectTableOptions {
  readonly scope: LimitScope
  readonly subjectsMax: number
  /** Whether the key, or a key of the tenant, is in memory, so that its limits may be asked without a read before. */
  readonly isHeld: (id: string) => boolean
  readonly slab: WindowSlab
  readonly ledger: QuotaLedger
}

/**
 * The limiters of all keys, or of all tenants, that are in memory or count something.
 *
 * - While a key is held in memory its limiters stay, since a verification of it must not wait for stored counts.
 * - One that is no longer held costs a read on its next use in any case. What that read brings, or what is empty, need
 *   not be kept: counts that storage has completely, empty windows, a full bucket. When nothing else is left the subject
 *   is forgotten; that loses nothing, a new state is the same.
 * - What does count is never forgotten, since a limit would open: anybody with enough keys could reset one by verifying
 *   the rest. It is kept in less room, which matters when many keys are asked once: windows are packed, and unpacked
 *   when they are asked again.
 *
 * A hand that walks round the table finds what may go or be packed, some steps for each new subject and more in `sweep`.
 * So the places of idle subjects are free long before they are needed, whatever order the others stand in; a search
 * that starts when the table is full would have to pass all active ones that stand together. When the table is full all
 * the same, new subjects are refused and those that are in it go on exactly. That is 503 for a key that was not used
 * lately, and a sign to raise the bound; growing without one ends in no memory for all.
 *
 * Places are shared as in a switch's buffer: a tenant gets one as long as it has fewer than `SHARE` times those that
 * are left. Alone it can take eight ninths of the table, and however many try that, some places are left for others.
 *
 * Memory per subject, measured with its entry in the table: about 0.2 KB, plus 0.05 KB for a token bucket, 0.45 KB for
 * each sliding window (0.1 KB for a packed one) and 0.27 KB for each quota.
 */
export class SubjectTable {
  readonly #options: SubjectTableOptions
  readonly #subjects = new Map<string, Subject>()
  readonly #shares = new Map<string, TenantShare>()
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
    this.#walk(steadyMs, STEPS_PER_SUBJECT)
    if (!this.#hasPlace(tenantId)) this.#walk(steadyMs, STEPS_WHEN_FULL)
    if (!this.#hasPlace(tenantId)) return null
    const share = this.#shares.get(tenantId) ?? { tenantId, count: 0 }
    if (share.count === 0) this.#shares.set(tenantId, share)
    share.count++
    const subject: Subject = {
      id,
      share,
      table: this,
      second: null,
      minute: null,
      hour: null,
      day: null,
      month: null,
      packedMinute: null,
      packedHour: null,
    }
    this.#subjects.set(id, subject)
    return subject
  }

  /** The limiter for a name, made if missing; a quota is made without counts and has to be loaded. */
  limiter(subject: Subject, name: LimitName): Limiter {
    switch (name) {
      case 'second':
        subject.second ??= new TokenBucket()
        return subject.second
      case 'minute':
        subject.minute ??= this.#openWindow(subject.packedMinute, SECOND_MS)
        subject.packedMinute = null
        return subject.minute
      case 'hour':
        subject.hour ??= this.#openWindow(subject.packedHour, MINUTE_MS)
        subject.packedHour = null
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

  /** Frees what may go, looking at no more than `steps` subjects. */
  sweep(steadyMs: number, steps: number): void {
    this.#walk(steadyMs, steps)
  }

  #openWindow(packed: PackedWindow | null, cellMs: number): SlidingWindow {
    const window = new SlidingWindow(this.#options.slab.take(), cellMs)
    if (packed !== null) window.unpack(packed)
    return window
  }

  #hasPlace(tenantId: string): boolean {
    const left = this.#options.subjectsMax - this.#subjects.size
    return (this.#shares.get(tenantId)?.count ?? 0) < left * SHARE
  }

  #walk(steadyMs: number, steps: number): void {
    for (let i = Math.min(steps, this.#subjects.size); i > 0; i--) {
      const subject = this.#step()
      if (subject === undefined) return
      if (this.#options.isHeld(subject.id)) continue
      if (isIdle(subject, steadyMs)) this.#forget(subject)
      else this.#pack(subject, steadyMs)
    }
  }

  #step(): Subject | undefined {
    const next = this.#hand.next()
    if (next.done !== true) return next.value
    this.#hand = this.#subjects.values()
    return this.#hand.next().value
  }

  #pack(subject: Subject, steadyMs: number): void {
    const { minute, hour, day, month } = subject
    const packedMinute = minute?.pack(steadyMs) ?? null
    if (minute !== null && packedMinute !== null) {
      this.#options.slab.giveBack(minute.slot)
      subject.minute = null
      subject.packedMinute = packedMinute
    }
    const packedHour = hour?.pack(steadyMs) ?? null
    if (hour !== null && packedHour !== null) {
      this.#options.slab.giveBack(hour.slot)
      subject.hour = null
      subject.packedHour = packedHour
    }
    if (day?.isIdle() === true) {
      day.close()
      subject.day = null
    }
    if (month?.isIdle() === true) {
      month.close()
      subject.month = null
    }
  }

  #forget(subject: Subject): void {
    const { share, minute, hour, day, month } = subject
    subject.table = null
    this.#subjects.delete(subject.id)
    share.count--
    if (share.count === 0) this.#shares.delete(share.tenantId)
    if (minute !== null) this.#options.slab.giveBack(minute.slot)
    if (hour !== null) this.#options.slab.giveBack(hour.slot)
    day?.close()
    month?.close()
  }
}

/** Higher, and no tenant alone is ever short of places; lower, and more of them are left for the others. */
const SHARE = 8
/**
 * Lower, and more places are taken by what is idle: with one step for each new subject, as many as there are active
 * ones. Higher, and a new subject costs more.
 */
const STEPS_PER_SUBJECT = 8
/** Bounds what a refusal costs. */
const STEPS_WHEN_FULL = 128

function isIdle(subject: Subject, steadyMs: number): boolean {
  const { second, minute, hour, day, month, packedMinute, packedHour } = subject
  if (second !== null && !second.isIdle(steadyMs)) return false
  if (minute !== null && !minute.isIdle(steadyMs)) return false
  if (packedMinute !== null && !isPackedIdle(packedMinute, SECOND_MS, steadyMs)) return false
  if (hour !== null && !hour.isIdle(steadyMs)) return false
  if (packedHour !== null && !isPackedIdle(packedHour, MINUTE_MS, steadyMs)) return false
  return (day === null || day.isIdle()) && (month === null || month.isIdle())
}
