import type { ZoneCalendar } from '../../lib/calendar.ts'

/** Unspent credits of a lease on their way back. */
export interface ReturnedLease {
  /** Positive. */
  readonly amount: number
  readonly epoch: number
}

/** What a lease needs to know beside the key. */
export interface LeaseTerms {
  readonly tenantId: string
  /** The tenant's days and months. Refills are due by these, as quotas are, and not by what the store takes a zone for. */
  readonly calendar: ZoneCalendar
  /** Percent of the credits that are spent when it is time to warn; 0: never. */
  readonly warningPercent: number
}

export interface LeaseRequest extends LeaseTerms {
  readonly keyId: string
  /** Lease nothing when less than this is stored: at least 1. */
  readonly need: number
  /** Lease at most this: no less than `need`. */
  readonly want: number
  /** Given back in the same statement, before anything else. */
  readonly returned: ReturnedLease | null
  readonly nowMs: number
}

export interface LeaseGrant {
  readonly granted: number
  /** What is stored after it, without what is leased. */
  readonly stored: number
  readonly epoch: number
  /** When a refill is next due, null without one. */
  readonly nextRefillAtMs: number | null
  /** 0 without one. */
  readonly refillAmount: number
}

/**
 * Where credits are kept. A node leases a block of them and spends it in memory. Leased credits have left the store, so
 * none can be spent twice: not by two nodes, and not after kill -9, when a lease is lost with its node.
 *
 * Each key has an epoch. It rises when credits are set to a value, and when a refill raises them, because the new value
 * replaces the credits of outstanding leases too; what is given back with another epoch is dropped. A top-up keeps it.
 * To be called after such a change has been committed: `revokeLease` of every node's limits.
 */
export interface CreditStore {
  /**
   * One atomic statement, in this order: add what is returned if its epoch is the current one; refill if due
   * (`computeRefill`), with a new epoch when that raises; then take `min(stored, want)`, or nothing when `stored <
   * need`. What that makes of the credits is told in the same statement, see `docs/decisions/quota-warnings.md`. A key
   * without credits has stored 0 and epoch 0. Must not be repeated when its outcome is unknown. Rejects
   * when there is no answer.
   */
  lease(request: LeaseRequest): Promise<LeaseGrant>
  /**
   * Adds the amount if the epoch is the current one, else nothing. Must not be repeated when its outcome is unknown.
   */
  giveBack(keyId: string, returned: ReturnedLease): Promise<void>
}

/**
 * How much to lease: all that is waited for, and a reserve for what comes next. The reserve is a small part of what is
 * left, so that few credits are not stranded on a node while another one denies: near the end each lease is just what
 * is asked for, and costs a statement.
 */
export function computeWant(demand: number, reserve: number, stored: number): number {
  return Math.max(demand, Math.min(demand + reserve, Math.floor(stored / RESERVE_PARTS)))
}

/** The reserve doubles while leases are used up within a second and halves when they last for more than ten. */
export function adaptReserve(reserve: number, leaseLastedMs: number): number {
  if (leaseLastedMs < SHORT_MS) return Math.min(RESERVE_MAX, reserve * 2)
  return leaseLastedMs > LONG_MS ? Math.max(1, Math.floor(reserve / 2)) : reserve
}

/** A node holds at most an eighth of what is stored, apart from what is asked for now. */
const RESERVE_PARTS = 8
/** The most that kill -9 costs a key, beside what was being asked for. */
const RESERVE_MAX = 1024
export const RESERVE_FIRST = 8
const SHORT_MS = 1000
const LONG_MS = 10_000
