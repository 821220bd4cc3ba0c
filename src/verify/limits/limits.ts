import type { CreditStore } from './credit-lease.ts'
import { CreditLedger } from './credit-ledger.ts'
import {
  type CreditState,
  denyByCredits,
  denyByLimits,
  type LimitDecision,
  type LimitStatus,
  NO_LEASE,
  type RuleState,
  TOO_MANY_LIMITERS,
  toSeconds,
  UNLOADED,
} from './limit-decision.ts'
import type { LimitPlan } from './limit-plan.ts'
import { type Limiter, type LimitRule, NOT_LOADED } from './limiter.ts'
import { QuotaCount, type StoredCounts } from './quota-count.ts'
import { type QuotaFlush, QuotaLedger } from './quota-ledger.ts'
import { SteadyTime } from './steady-time.ts'
import { type Subject, SubjectTable } from './subject-table.ts'
import { WindowSlab } from './window-slab.ts'

export interface LimitsOptions {
  readonly creditStore: CreditStore
  /** The wall clock, read again when a verification has waited for a lease. */
  readonly nowMs: () => number
  /** Whether the key is in memory, so that it is verified without a read: its limiters stay then. */
  readonly isKeyHeld: (keyId: string) => boolean
  /** Whether any key of the tenant is. */
  readonly isTenantHeld: (tenantId: string) => boolean
  /**
   * Keys with limiters or credits in memory: those that are held and those that count something. Higher costs memory,
   * lower refuses keys when all of them are active.
   */
  readonly keysMax?: number
  readonly tenantsMax?: number
  readonly leaseTimeoutMs?: number
  /** For the log: a lease that could not be had, or unspent credits that could not be given back. */
  readonly onCreditFailure?: (keyId: string, error: unknown) => void
}

/** Stored day and month counts of a key and its tenant, as one read found them. */
export interface StoredQuotas {
  /** The last flush of this process that the read contains, 0 for none; see `QuotaLedger`. */
  readonly flushSequence: number
  readonly key: { readonly day: StoredCounts; readonly month: StoredCounts }
  readonly tenant: { readonly day: StoredCounts; readonly month: StoredCounts }
}

/** Whose limits are checked. */
export interface LimitSubject {
  readonly keyId: string
  readonly tenantId: string
  /** The limits' own: what they found under `keyId` last time, since looking for it costs as much as counting. */
  keyLimiters?: Subject | null
}

/**
 * Limits, quotas and credits of all keys and tenants of this node.
 *
 * All times are readings of the wall clock in milliseconds, to be taken right before the call, but for that of `load`;
 * the clock may be set at any time (steady-time.ts). `cost` is an integer of at least 0. Cost 0 consumes nothing and asks whether one unit
 * would fit: so it is denied where a limit is reached, and where it is 0.
 */
export interface Limits {
  /**
   * Decides about one request and consumes its cost if it is admitted. First all limits are asked, then all are
   * consumed, without a pause in between: so a denial consumes nothing, and any number of concurrent requests is
   * admitted exactly as far as the limits go. A promise is returned only when credits have to be leased; nothing is
   * consumed while it waits, and all is asked again afterwards.
   */
  admit(plan: LimitPlan, subject: LimitSubject, cost: number, nowMs: number): LimitDecision | Promise<LimitDecision>
  /**
   * Takes over stored counts, of the periods of the plan's calendar that `nowMs` is in, where `nowMs` is from before
   * the read. 'stale': the read is older than counts that left memory since; read again, which cannot be stale for the
   * same reason. 'full': as `TOO_MANY_LIMITERS`.
   */
  load(plan: LimitPlan, subject: LimitSubject, stored: StoredQuotas, nowMs: number): 'loaded' | 'stale' | 'full'

  /**
   * What to write to storage next; see `QuotaLedger` for how, and for what to do when it fails: call and write again.
   */
  drainDeltas(rowsMax?: number): QuotaFlush | null
  confirmFlush(sequence: number): void
  rollbackFlush(sequence: number): void

  /** To be called after a key's credits were changed, or the key was disabled, revoked or deleted. */
  revokeLease(keyId: string): void
  /** Credits of a key that left the store and are unspent on this node. */
  leasedCredits(keyId: string): number

  /**
   * Housekeeping, to be called about once a second: gives back idle leases and frees what limiters no longer need.
   * Bounded work.
   */
  sweep(nowMs: number): void
  /** Gives back all leases. Quota counts are drained by the caller: before that no count is lost by stopping. */
  stop(): Promise<void>
  readonly sizes: {
    readonly keys: number
    readonly tenants: number
    readonly leases: number
    /** Sliding windows that are not packed. */
    readonly windows: number
    readonly dirtyQuotas: number
  }
}

export function createLimits(options: LimitsOptions): Limits {
  const { creditStore, nowMs, keysMax = 200_000, tenantsMax = 50_000, leaseTimeoutMs = 5000 } = options
  const { isKeyHeld, isTenantHeld, onCreditFailure = () => {} } = options
  const time = new SteadyTime()
  const slab = new WindowSlab()
  const ledger = new QuotaLedger()
  const keys = new SubjectTable({ scope: 'key', subjectsMax: keysMax, isHeld: isKeyHeld, slab, ledger })
  const tenants = new SubjectTable({ scope: 'tenant', subjectsMax: tenantsMax, isHeld: isTenantHeld, slab, ledger })
  const credits = new CreditLedger({
    store: creditStore,
    nowMs,
    leasesMax: keysMax,
    leaseTimeoutMs,
    onFailure: onCreditFailure,
  })
  // Reused by every decision, which is why `decide` must stay synchronous.
  const limiters: Limiter[] = []
  const rooms: number[] = []

  function findKey(who: LimitSubject, steadyMs: number): Subject | null {
    const kept = who.keyLimiters
    if (kept !== undefined && kept !== null && kept.table === keys) return kept
    who.keyLimiters = findOrOpen(keys, who.keyId, who.tenantId, steadyMs)
    return who.keyLimiters
  }

  /** Null: a lease is needed to decide. */
  function decide(plan: LimitPlan, who: LimitSubject, cost: number, clockMs: number): LimitDecision | null {
    const steadyMs = time.observe(clockMs)
    const { rules } = plan
    const units = cost === 0 ? 1 : cost
    const key = plan.hasKeyRules ? findKey(who, steadyMs) : null
    const tenant = plan.hasTenantRules ? findOrOpen(tenants, who.tenantId, who.tenantId, steadyMs) : null

    let fits = true
    for (let i = 0; i < rules.length; i++) {
      const rule = at(rules, i)
      const subject = rule.scope === 'key' ? key : tenant
      if (subject === null) return TOO_MANY_LIMITERS
      const table = rule.scope === 'key' ? keys : tenants
      const limiter = subject[rule.name] ?? table.limiter(subject, rule.name)
      const room = limiter.room(rule, steadyMs, clockMs)
      limiters[i] = limiter
      rooms[i] = room
      if (room < units) fits = false
    }
    if (!fits) return denyLimits(plan, who, units, cost, steadyMs, clockMs)

    if (plan.hasCredits) {
      const check = credits.check(who.keyId, units, clockMs)
      if (check === 'lease') return null
      if (check === 'short') return denyCredits(plan, who, units, cost, steadyMs, clockMs)
      credits.spend(who.keyId, cost, clockMs)
    }

    const limits: LimitStatus[] = []
    for (let i = 0; i < rules.length; i++) {
      const { name, scope, limit } = at(rules, i)
      const limiter = at(limiters, i)
      limiter.take(cost)
      const resetSeconds = toSeconds(limiter.resetMs(at(rules, i), steadyMs, clockMs))
      const windowSeconds = limiter.windowSeconds(at(rules, i))
      limits.push({ name, scope, limit, remaining: at(rooms, i) - cost, resetSeconds, windowSeconds })
    }
    return { outcome: 'admitted', limits, creditsRemaining: plan.hasCredits ? credits.remaining(who.keyId) : null }
  }

  /** The slow way, after `decide` has filled `limiters` and `rooms`: what is found out about one of the rules. */
  function assess(rule: LimitRule, i: number, units: number, steadyMs: number, clockMs: number): RuleState {
    const limiter = at(limiters, i)
    return {
      rule,
      room: at(rooms, i),
      resetMs: limiter.resetMs(rule, steadyMs, clockMs),
      waitMs: limiter.waitMs(rule, units, steadyMs, clockMs),
      windowSeconds: limiter.windowSeconds(rule),
    }
  }

  function denyLimits(
    { rules, hasCredits }: LimitPlan,
    who: LimitSubject,
    units: number,
    cost: number,
    steadyMs: number,
    clockMs: number,
  ): LimitDecision {
    const violated: RuleState[] = []
    for (const [i, rule] of rules.entries()) {
      const room = at(rooms, i)
      if (room === NOT_LOADED) return UNLOADED
      if (room >= units) continue
      violated.push(assess(rule, i, units, steadyMs, clockMs))
      noteRefusal(at(limiters, i), rule, units)
    }
    return denyByLimits(violated, cost, hasCredits ? stateOfCredits(who, units, clockMs) : null)
  }

  /** Nobody is told of windows, which open again in a moment. */
  function noteRefusal(limiter: Limiter, rule: LimitRule, units: number): void {
    if (limiter instanceof QuotaCount) limiter.refuse(rule, units)
  }

  function denyCredits(
    { rules }: LimitPlan,
    who: LimitSubject,
    units: number,
    cost: number,
    steadyMs: number,
    clockMs: number,
  ): LimitDecision {
    const limits = rules.map((rule, i) => assess(rule, i, units, steadyMs, clockMs))
    return denyByCredits(limits, cost, stateOfCredits(who, units, clockMs))
  }

  function stateOfCredits({ keyId }: LimitSubject, units: number, clockMs: number): CreditState {
    const remaining = credits.remaining(keyId)
    return {
      remaining,
      isShort: remaining !== null && remaining < units,
      waitMs: credits.refillInMs(keyId, units, clockMs),
      resetMs: credits.refillInMs(keyId, 1, clockMs),
    }
  }

  /**
   * Waits for credits and decides anew. Others may be faster, so it may take several leases; few, as each covers all
   * who wait.
   */
  async function decideAfterLease(plan: LimitPlan, who: LimitSubject, cost: number): Promise<LimitDecision> {
    const terms = { tenantId: who.tenantId, calendar: plan.calendar, warningPercent: plan.creditWarningPercent }
    for (let i = 0; i < LEASE_ATTEMPTS; i++) {
      if (!(await credits.acquire(who.keyId, Math.max(1, cost), terms))) return NO_LEASE
      const decision = decide(plan, who, cost, nowMs())
      if (decision !== null) return decision
    }
    return NO_LEASE
  }

  return {
    admit(plan, who, cost, clockMs) {
      // A cost that is no number would compare as fitting.
      if (!Number.isSafeInteger(cost) || cost < 0) throw new RangeError('cost is an integer of at least 0.')
      return decide(plan, who, cost, clockMs) ?? decideAfterLease(plan, who, cost)
    },

    load(plan, { keyId, tenantId }, stored, clockMs) {
      if (!plan.hasQuotas) return 'loaded'
      // The reading is from before the read, and others may have come after it.
      const steadyMs = time.lastMs
      for (const { scope, name, calendar } of plan.rules) {
        if (name !== 'day' && name !== 'month') continue
        const table = scope === 'key' ? keys : tenants
        const subject = findOrOpen(table, scope === 'key' ? keyId : tenantId, tenantId, steadyMs)
        if (subject === null) return 'full'
        const loaded = table.quota(subject, name).load(stored[scope][name], stored.flushSequence, calendar, clockMs)
        if (loaded === 'stale') return 'stale'
      }
      return 'loaded'
    },

    drainDeltas: (rowsMax = FLUSH_ROWS_MAX) => ledger.drain(rowsMax),
    confirmFlush: (sequence) => ledger.confirm(sequence),
    rollbackFlush: (sequence) => ledger.rollback(sequence),

    revokeLease: (keyId) => credits.revoke(keyId),
    leasedCredits: (keyId) => credits.leased(keyId),

    sweep(clockMs) {
      const steadyMs = time.observe(clockMs)
      keys.sweep(steadyMs, SWEEP_STEPS)
      tenants.sweep(steadyMs, SWEEP_STEPS)
      credits.sweep(clockMs, LEASE_IDLE_MS, SWEEP_STEPS)
    },
    stop: () => credits.stop(),
    get sizes() {
      return {
        keys: keys.size,
        tenants: tenants.size,
        leases: credits.size,
        windows: slab.slotsInUse,
        dirtyQuotas: ledger.dirtyCounts,
      }
    },
  }
}

function findOrOpen(table: SubjectTable, id: string, tenantId: string, steadyMs: number): Subject | null {
  return table.find(id) ?? table.open(id, tenantId, steadyMs)
}

/** An element that is known to be there. */
function at<T>(list: readonly T[], index: number): T {
  const element = list[index]
  if (element === undefined) throw new RangeError('index out of range')
  return element
}

/**
 * Lower, and a key that is used now and then costs a statement each time; higher, and other nodes miss these credits
 * longer.
 */
const LEASE_IDLE_MS = 30_000
/**
 * A table of 200,000 is walked round in some minutes, sooner when new subjects walk it round. Higher, and a sweep that
 * finds much to pack or to free is felt as a pause: this is about 2 ms.
 */
const SWEEP_STEPS = 1000
const FLUSH_ROWS_MAX = 10_000
const LEASE_ATTEMPTS = 8
