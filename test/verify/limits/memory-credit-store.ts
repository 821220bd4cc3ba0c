import type { CreditStore, LeaseGrant, LeaseRequest, ReturnedLease } from '../../../src/verify/limits/credit-lease.ts'
import { computeRefill, type RefillPolicy } from '../../../src/verify/limits/credit-refill.ts'

export interface CreditTerms {
  readonly amount: number
  readonly refill: RefillPolicy | null
  readonly createdAtMs: number
}

interface Account {
  stored: number
  epoch: number
  refilledAtMs: number
  readonly refill: RefillPolicy | null
}

/**
 * Credits in memory. `pause` is awaited on the way to each statement and on the way back, so that a test decides what
 * happens meanwhile; a statement itself is atomic.
 */
export class MemoryCreditStore implements CreditStore {
  readonly requests: LeaseRequest[] = []
  readonly #accounts = new Map<string, Account>()
  readonly #pause: () => Promise<void>

  constructor(pause: () => Promise<void> = () => Promise.resolve()) {
    this.#pause = pause
  }

  create(keyId: string, { amount, refill, createdAtMs }: CreditTerms): void {
    this.#accounts.set(keyId, { stored: amount, epoch: 1, refilledAtMs: createdAtMs, refill })
  }

  topUp(keyId: string, amount: number): void {
    this.#account(keyId).stored += amount
  }

  set(keyId: string, amount: number): void {
    const account = this.#account(keyId)
    account.stored = amount
    account.epoch++
  }

  stored(keyId: string): number {
    return this.#account(keyId).stored
  }

  async lease(request: LeaseRequest): Promise<LeaseGrant> {
    this.requests.push(request)
    await this.#pause()
    const grant = this.#lease(request)
    await this.#pause()
    return grant
  }

  async giveBack(keyId: string, returned: ReturnedLease): Promise<void> {
    await this.#pause()
    const account = this.#accounts.get(keyId)
    if (account !== undefined) takeBack(account, returned)
    await this.#pause()
  }

  #lease({ keyId, need, want, returned, nowMs, calendar }: LeaseRequest): LeaseGrant {
    const account = this.#accounts.get(keyId)
    if (account === undefined) return { granted: 0, stored: 0, epoch: 0, nextRefillAtMs: null, refillAmount: 0 }
    if (returned !== null) takeBack(account, returned)
    let nextRefillAtMs: number | null = null
    if (account.refill !== null) {
      const outcome = computeRefill(account, account.refill, nowMs, calendar.zone)
      account.stored = outcome.stored
      account.refilledAtMs = outcome.refilledAtMs
      if (outcome.raised) account.epoch++
      nextRefillAtMs = outcome.nextRefillAtMs
    }
    const granted = account.stored < need ? 0 : Math.min(account.stored, want)
    account.stored -= granted
    const { stored, epoch, refill } = account
    return { granted, stored, epoch, nextRefillAtMs, refillAmount: refill?.amount ?? 0 }
  }

  #account(keyId: string): Account {
    const account = this.#accounts.get(keyId)
    if (account === undefined) throw new Error(`There is no account ${keyId}.`)
    return account
  }
}

function takeBack(account: Account, { amount, epoch }: ReturnedLease): void {
  if (account.epoch === epoch) account.stored += amount
}
