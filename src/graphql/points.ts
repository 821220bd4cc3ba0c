import type { Caller } from '../actors/caller.ts'
import { getZoneCalendar } from '../lib/calendar.ts'
import type { Clock } from '../lib/clock.ts'
import { createLru, type LruEntry } from '../lib/lru.ts'
import { nameClientNetwork } from '../verify/access/client-network.ts'
import { type LimitStatus, toSeconds } from '../verify/limits/limit-decision.ts'
import type { LimitRule } from '../verify/limits/limiter.ts'
import { SECOND_MS, SlidingWindow } from '../verify/limits/sliding-window.ts'
import { SteadyTime } from '../verify/limits/steady-time.ts'
import { WindowSlab } from '../verify/limits/window-slab.ts'

/**
 * What each actor may spend on operations in any minute, in points (`operation-cost.ts`). Who has said who it is spends of its
 * own, wherever it comes from; all others share what their address has.
 *
 * Counted in this server's memory, as limits per minute of keys are. Both tables are bounded. What gives way in one was not
 * used lately and begins anew: to gain by that takes more addresses, or more sessions, than the table holds, and whoever has
 * those has their budgets too. People and keys have a table of their own, so that no flood of addresses touches them.
 */
export interface Points {
  /** Spends if that fits, and says what is left. Who asks for more than the limit itself never fits. */
  spend(caller: Caller, points: number): Spending
  /** What the caller may spend in a minute. */
  limitOf(caller: Caller): number
  readonly stats: PointsStats
}

export interface PointsStats {
  /** Operations that were refused. */
  refused: number
  readonly actorCount: number
  readonly addressCount: number
}

export interface Spending {
  readonly status: LimitStatus
  /** Null: spent. Otherwise nothing was, and so many seconds later it fits, if nothing else is spent meanwhile. */
  readonly retryAfterSeconds: number | null
}

export interface PointsOptions {
  readonly clock: Clock
  readonly perActor: number
  readonly perAddress: number
  /** Entries of each table, at 600 bytes. */
  readonly entriesMax?: number
}

interface Account extends LruEntry {
  readonly window: SlidingWindow
}

export function createPoints({ clock, perActor, perAddress, entriesMax = 10_000 }: PointsOptions): Points {
  const time = new SteadyTime()
  const slab = new WindowSlab()
  const onEvict = (_name: string, { window }: Account) => slab.giveBack(window.slot)
  const actors = createLru<string, Account>({ entriesMax, onEvict })
  const addresses = createLru<string, Account>({ entriesMax, onEvict })
  const actorRule = toRule(perActor)
  const addressRule = toRule(perAddress)
  const stats = {
    refused: 0,
    get actorCount() {
      return actors.size
    },
    get addressCount() {
      return addresses.size
    },
  }

  function findWindow({ actor, origin }: Caller): SlidingWindow {
    const accounts = isAnonymous({ actor }) ? addresses : actors
    const name = actor.kind === 'user' ? actor.userId : actor.kind === 'apiKey' ? actor.apiKeyId : origin.ip
    const key = isAnonymous({ actor }) ? nameClientNetwork(name) : `${actor.kind} ${name}`
    const known = accounts.get(key)
    if (known !== undefined) return known.window
    const window = new SlidingWindow(slab.take(), SECOND_MS)
    accounts.set(key, { window, usedLately: true })
    return window
  }

  return {
    stats,
    limitOf: (caller) => (isAnonymous(caller) ? perAddress : perActor),
    spend(caller, points) {
      const rule = isAnonymous(caller) ? addressRule : actorRule
      const window = findWindow(caller)
      const steadyMs = time.observe(clock.now())
      const fits = window.room(rule, steadyMs) >= points
      const retryAfterSeconds = fits ? null : Math.max(1, toSeconds(window.waitMs(rule, points, steadyMs)))
      if (fits) window.take(points)
      else stats.refused++
      return { status: toStatus(rule, window, steadyMs), retryAfterSeconds }
    },
  }
}

function isAnonymous({ actor }: Pick<Caller, 'actor'>): boolean {
  return actor.kind === 'anonymous'
}

function toRule(limit: number): LimitRule {
  const calendar = getZoneCalendar('UTC')
  return { name: 'minute', scope: 'key', limit, ratePerSecond: 0, windowSeconds: 60, warningPercent: 0, calendar }
}

function toStatus(rule: LimitRule, window: SlidingWindow, steadyMs: number): LimitStatus {
  const { name, scope, limit, windowSeconds } = rule
  const remaining = window.room(rule, steadyMs)
  return { name, scope, limit, remaining, resetSeconds: toSeconds(window.resetMs(rule, steadyMs)), windowSeconds }
}
