import { RESERVE_FIRST, type ReturnedLease } from './credit-lease.ts'

/** What this node knows of one key's credits. */
export interface Holding {
  /** Leased and unspent. */
  left: number
  epoch: number
  /** In the store, when last heard of; not known before `heardAtMs` is set. */
  stored: number
  heardAtMs: number | null
  nextRefillAtMs: number | null
  refillAmount: number
  reserve: number
  lastUsedMs: number
  /** Rises when the lease is revoked: an answer that was asked for before is then out of date. */
  revision: number
  flight: Flight | null
}

/** One request for a lease, for all who wait. */
export interface Flight {
  /** True: there was an answer. */
  readonly done: Promise<boolean>
  waiting: number
  /** Units of all who wait, and of the least of them. Who joins after it was sent is not served and asks again. */
  demand: number
  smallest: number
}

export function openHolding(nowMs: number): Holding {
  return {
    left: 0,
    epoch: 0,
    stored: 0,
    heardAtMs: null,
    nextRefillAtMs: null,
    refillAmount: 0,
    reserve: RESERVE_FIRST,
    lastUsedMs: nowMs,
    revision: 0,
    flight: null,
  }
}

/** From then on the lease is over: a refill counts the rest of it. */
export function isRefillDue(holding: Holding, nowMs: number): boolean {
  return holding.nextRefillAtMs !== null && nowMs >= holding.nextRefillAtMs
}

/** Takes everything out of the holding, on its way back. */
export function takeRest(holding: Holding): ReturnedLease | null {
  const returned = holding.left > 0 ? { amount: holding.left, epoch: holding.epoch } : null
  holding.left = 0
  return returned
}
