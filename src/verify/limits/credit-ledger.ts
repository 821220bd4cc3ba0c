import { type Flight, type Holding, isRefillDue, openHolding, takeRest } from './credit-holding.ts'
import {
  adaptReserve,
  type CreditStore,
  computeWant,
  type LeaseGrant,
  type LeaseTerms,
  type ReturnedLease,
} from './credit-lease.ts'

export interface CreditLedgerOptions {
  readonly store: CreditStore
  /** The wall clock. */
  readonly nowMs: () => number
  readonly leasesMax: number
  /** How long a verification waits for a lease. A lease that arrives later is given back. */
  readonly leaseTimeoutMs: number
  /** Told when unspent credits could not be given back or a lease could not be had, for the log. */
  readonly onFailure: (keyId: string, error: unknown) => void
}

/** Answer to "can this be spent now?" */
export type CreditCheck = 'ready' | 'short' | 'lease'

/**
 * The credits that this node has leased, spent in memory without waiting.
 *
 * Who loses what: a lease that is revoked is given back with its epoch, and the store decides whether that epoch still
 * counts. An answer to a request from before a revocation is not used but given back, for the same reason. A lease ends
 * when a refill is due; the rest of it is handed in with the request for the next one, in one statement, so that a
 * refill up to an amount counts it. What cannot be given back for certain is lost: the other choice, to repeat, could
 * give it back twice and overspend.
 */
export class CreditLedger {
  readonly #options: CreditLedgerOptions
  readonly #holdings = new Map<string, Holding>()
  readonly #underWay = new Set<Promise<unknown>>()
  #hand = this.#holdings.entries()
  #stopped = false

  constructor(options: CreditLedgerOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#holdings.size
  }

  /** Whether `units` can be spent now, cannot, or may be after a lease. */
  check(keyId: string, units: number, nowMs: number): CreditCheck {
    const holding = this.#holdings.get(keyId)
    if (holding === undefined || isRefillDue(holding, nowMs)) return 'lease'
    if (holding.left >= units) return 'ready'
    if (holding.heardAtMs === null || holding.left + holding.stored >= units) return 'lease'
    // Another node may have given something back meanwhile, so this is believed for a moment only.
    const ageMs = nowMs - holding.heardAtMs
    return ageMs >= 0 && ageMs < SHORTAGE_BELIEVED_MS ? 'short' : 'lease'
  }

  /** To be called after `check` said 'ready'. */
  spend(keyId: string, cost: number, nowMs: number): void {
    const holding = this.#holdings.get(keyId)
    if (holding === undefined || holding.left < cost) throw new Error('Credits were spent that are not leased.')
    holding.left -= cost
    holding.lastUsedMs = nowMs
  }

  /** Leased and unspent, plus what the store had when last heard of; null when it was not heard of. */
  remaining(keyId: string): number | null {
    const holding = this.#holdings.get(keyId)
    return holding === undefined || holding.heardAtMs === null ? null : holding.left + holding.stored
  }

  /** Leased and unspent: what a reader of the store has to add. */
  leased(keyId: string): number {
    return this.#holdings.get(keyId)?.left ?? 0
  }

  /** Until the refill after which `units` fit, null when none is known. */
  refillInMs(keyId: string, units: number, nowMs: number): number | null {
    const holding = this.#holdings.get(keyId)
    if (holding === undefined || holding.nextRefillAtMs === null || holding.refillAmount < units) return null
    return holding.nextRefillAtMs - nowMs
  }

  /**
   * Asks for a lease that covers `units`, together with all who ask meanwhile. True: check again; false: no answer to
   * be had.
   */
  acquire(keyId: string, units: number, terms: LeaseTerms): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false)
    const holding = this.#holdings.get(keyId) ?? this.#open(keyId)
    if (holding === null) return Promise.resolve(false)
    holding.flight ??= this.#start(keyId, holding, terms)
    const { flight } = holding
    if (flight.waiting >= WAITING_MAX) return Promise.resolve(false)
    flight.waiting++
    flight.demand += units
    flight.smallest = Math.min(flight.smallest, units)
    return flight.done
  }

  /** Stops spending at once and gives the rest back; the next verification leases anew and sees what is stored now. */
  revoke(keyId: string): void {
    const holding = this.#holdings.get(keyId)
    if (holding === undefined) return
    holding.revision++
    holding.heardAtMs = null
    holding.stored = 0
    this.#giveBack(keyId, takeRest(holding))
    if (holding.flight === null) this.#holdings.delete(keyId)
  }

  /** Gives back leases that were not used for `idleMs`, looking at no more than `steps`. */
  sweep(nowMs: number, idleMs: number, steps: number): void {
    for (let i = Math.min(steps, this.#holdings.size); i > 0; i--) {
      const entry = this.#step()
      if (entry === undefined) return
      const [keyId, holding] = entry
      if (holding.flight === null && Math.abs(nowMs - holding.lastUsedMs) >= idleMs) this.revoke(keyId)
    }
  }

  /** Gives everything back and leases nothing any more. Resolves when the store has answered. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const keyId of [...this.#holdings.keys()]) this.revoke(keyId)
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
  }

  #open(keyId: string): Holding | null {
    if (this.#holdings.size >= this.#options.leasesMax && !this.#makePlace()) return null
    const holding = openHolding(this.#options.nowMs())
    this.#holdings.set(keyId, holding)
    return holding
  }

  /**
   * Any holding can be given up, since the store takes the rest back; of those looked at, the one not used for longest
   * is.
   */
  #makePlace(): boolean {
    let oldest: [string, Holding] | null = null
    for (let i = Math.min(SEARCH_STEPS, this.#holdings.size); i > 0; i--) {
      const entry = this.#step()
      if (entry === undefined) break
      if (entry[1].flight === null && (oldest === null || entry[1].lastUsedMs < oldest[1].lastUsedMs)) oldest = entry
    }
    if (oldest !== null) this.revoke(oldest[0])
    return oldest !== null
  }

  #step(): [string, Holding] | undefined {
    const next = this.#hand.next()
    if (next.done !== true) return next.value
    this.#hand = this.#holdings.entries()
    return this.#hand.next().value
  }

  #start(keyId: string, holding: Holding, terms: LeaseTerms): Flight {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const flight: Flight = { done: promise, waiting: 0, demand: 0, smallest: Number.POSITIVE_INFINITY }
    const end = (answered: boolean) => {
      if (holding.flight === flight) holding.flight = null
      resolve(answered)
    }
    // The pause lets all who come in the same turn be part of one request.
    queueMicrotask(() => {
      if (this.#stopped) return end(false)
      const fail = (error: unknown) => {
        this.#options.onFailure(keyId, error)
        end(false)
      }
      const { leaseTimeoutMs } = this.#options
      const timer = setTimeout(() => fail(new Error(`No lease within ${leaseTimeoutMs} ms.`)), leaseTimeoutMs)
      this.#track(
        this.#fly(keyId, holding, flight, terms)
          .then(end, fail)
          .finally(() => clearTimeout(timer)),
      )
    })
    return flight
  }

  async #fly(keyId: string, holding: Holding, flight: Flight, terms: LeaseTerms): Promise<boolean> {
    const { nowMs, store } = this.#options
    const now = nowMs()
    const { revision } = holding
    const returned = isRefillDue(holding, now) ? takeRest(holding) : null
    const demand = Math.max(1, flight.demand - holding.left)
    const need = Math.max(1, flight.smallest - holding.left)
    holding.reserve =
      holding.heardAtMs === null ? holding.reserve : adaptReserve(holding.reserve, now - holding.heardAtMs)
    const want = computeWant(demand, holding.reserve, holding.stored)
    const grant = await store.lease({ ...terms, keyId, need, want: Math.max(need, want), returned, nowMs: now })
    if (this.#stopped || holding.revision !== revision || holding.flight !== flight) {
      this.#giveBack(keyId, { amount: grant.granted, epoch: grant.epoch })
      return !this.#stopped
    }
    this.#install(keyId, holding, grant)
    return true
  }

  #install(keyId: string, holding: Holding, grant: LeaseGrant): void {
    // A set or a refill has come between two leases: the store knows nothing of what is left of the first.
    if (grant.epoch !== holding.epoch) this.#giveBack(keyId, takeRest(holding))
    holding.left += grant.granted
    holding.epoch = grant.epoch
    holding.stored = grant.stored
    holding.nextRefillAtMs = grant.nextRefillAtMs
    holding.refillAmount = grant.refillAmount
    holding.heardAtMs = this.#options.nowMs()
    holding.lastUsedMs = holding.heardAtMs
  }

  #giveBack(keyId: string, returned: ReturnedLease | null): void {
    if (returned === null || returned.amount === 0) return
    const work = this.#options.store.giveBack(keyId, returned)
    this.#track(work.catch((error: unknown) => this.#options.onFailure(keyId, error)))
  }

  #track(work: Promise<unknown>): void {
    this.#underWay.add(work)
    void work.finally(() => this.#underWay.delete(work))
  }
}

/** A shortage that the store reported is not asked for again so soon, however often an exhausted key is verified. */
const SHORTAGE_BELIEVED_MS = 1000
/** Verifications that wait for one lease. Each holds a request open, so more are not worth waiting for. */
const WAITING_MAX = 10_000
const SEARCH_STEPS = 64
