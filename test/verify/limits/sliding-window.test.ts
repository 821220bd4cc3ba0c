import { describe, expect, test } from 'vitest'
import type { LimitRule } from '../../../src/verify/limits/limiter.ts'
import { isPackedIdle } from '../../../src/verify/limits/packed-window.ts'
import { MINUTE_MS, SECOND_MS, SlidingWindow } from '../../../src/verify/limits/sliding-window.ts'
import { WindowSlab } from '../../../src/verify/limits/window-slab.ts'
import { makeRule } from './limit-rules.ts'
import { type Random, withSeeds } from './seeded-random.ts'

interface Admission {
  readonly atMs: number
  readonly cost: number
}

/** What the window promises, computed from a log of every admission. */
class Log {
  readonly #admissions: Admission[] = []
  readonly #cellMs: number

  constructor(cellMs: number) {
    this.#cellMs = cellMs
  }

  add(atMs: number, cost: number): void {
    this.#admissions.push({ atMs, cost })
  }

  /** Units admitted in the 60 cells' length that ends with `nowMs`, which is the fullest interval that ends there. */
  usedInInterval(nowMs: number): number {
    return this.#sum(({ atMs }) => atMs > nowMs - 60 * this.#cellMs)
  }

  /** Units admitted in the current cell and the 60 before it. */
  usedInCells(nowMs: number): number {
    const first = Math.floor(nowMs / this.#cellMs) - 60
    return this.#sum(({ atMs }) => Math.floor(atMs / this.#cellMs) >= first)
  }

  /** The first millisecond at which no more than `units` are counted, if nothing is admitted meanwhile. */
  firstMsWith(units: number): number {
    const cells = new Map<number, { used: number; lastMs: number }>()
    for (const { atMs, cost } of this.#admissions) {
      const cell = Math.floor(atMs / this.#cellMs)
      cells.set(cell, { used: (cells.get(cell)?.used ?? 0) + cost, lastMs: atMs })
    }
    const ends = [...cells.values()].sort((a, b) => a.lastMs - b.lastMs)
    let used = ends.reduce((sum, cell) => sum + cell.used, 0)
    for (const cell of ends) {
      if (used <= units) break
      used -= cell.used
      if (used <= units) return cell.lastMs + 60 * this.#cellMs
    }
    return 0
  }

  #sum(includes: (admission: Admission) => boolean): number {
    return this.#admissions.reduce((sum, admission) => sum + (includes(admission) ? admission.cost : 0), 0)
  }
}

function openWindow(cellMs: number): SlidingWindow {
  return new SlidingWindow(new WindowSlab().take(), cellMs)
}

/** The window after it was packed and unpacked, or itself when it is too full for that. */
function repack(window: SlidingWindow, cellMs: number, nowMs: number): SlidingWindow {
  const packed = window.pack(nowMs)
  if (packed === null) return window
  expect(isPackedIdle(packed, cellMs, nowMs)).toBe(window.isIdle(nowMs))
  const unpacked = openWindow(cellMs)
  unpacked.unpack(packed)
  return unpacked
}

/** Steps that hit cell boundaries, the length of the window and everything between. */
function randomStep(random: Random, cellMs: number): number {
  const kind = random.int(0, 9)
  if (kind < 3) return 0
  if (kind < 5) return random.int(1, 5)
  if (kind < 7) return random.int(1, cellMs)
  if (kind < 8) return cellMs * random.int(1, 3)
  if (kind < 9) return random.int(1, 20 * cellMs)
  return random.pick([59, 60, 61, 62, 130]) * cellMs + random.int(-1, 1)
}

describe.each([
  { name: 'minute', cellMs: SECOND_MS, rule: (limit: number) => makeRule({ perMinute: limit }) },
  { name: 'hour', cellMs: MINUTE_MS, rule: (limit: number) => makeRule({ perHour: limit }) },
])('the window of a $name', ({ cellMs, rule }) => {
  function tryTake(window: SlidingWindow, limit: LimitRule, cost: number, nowMs: number): boolean {
    if (window.room(limit, nowMs) < cost) return false
    window.take(cost)
    return true
  }

  test('against a log: no interval admits more than the limit, nothing is denied below it, waits are exact, packed or not', () => {
    withSeeds(60, (random) => {
      let window = openWindow(cellMs)
      const log = new Log(cellMs)
      let limit = rule(random.int(1, 20))
      let nowMs = random.int(0, 3 * 60 * cellMs)
      for (let step = 0; step < 400; step++) {
        nowMs += randomStep(random, cellMs)
        if (random.chance(0.05)) limit = rule(random.int(0, 25))
        if (random.chance(0.1)) window = repack(window, cellMs, nowMs)
        const cost = random.chance(0.8) ? 1 : random.int(1, 8)
        const waitMs = window.waitMs(limit, cost, nowMs)
        const resetMs = window.resetMs(limit, nowMs)
        const roomNow = window.room(limit, nowMs)
        const remaining = Math.max(0, limit.limit - log.usedInInterval(nowMs))
        if (tryTake(window, limit, cost, nowMs)) {
          log.add(nowMs, cost)
          expect(log.usedInInterval(nowMs)).toBeLessThanOrEqual(limit.limit)
          expect(waitMs).toBe(0)
        } else {
          expect(log.usedInCells(nowMs) + cost).toBeGreaterThan(limit.limit)
          const fitsAtMs = cost > limit.limit ? Number.POSITIVE_INFINITY : log.firstMsWith(limit.limit - cost)
          expect(nowMs + waitMs).toBe(fitsAtMs)
          expect(resetMs).toBeLessThanOrEqual(waitMs)
          if (cost <= limit.limit) expect(nowMs + resetMs).toBe(log.firstMsWith(limit.limit - Math.max(0, roomNow) - 1))
        }
        expect(Math.max(0, window.room(limit, nowMs))).toBeLessThanOrEqual(remaining)
      }
    })
  })

  test('at every millisecond of the cell, a full window opens 60 cells after it was filled and not before', () => {
    for (let offsetMs = 0; offsetMs < cellMs; offsetMs += cellMs / 1000) {
      const window = openWindow(cellMs)
      const startMs = 7 * cellMs + offsetMs
      expect(tryTake(window, rule(3), 3, startMs)).toBe(true)
      expect(window.waitMs(rule(3), 1, startMs)).toBe(60 * cellMs)
      expect(tryTake(window, rule(3), 1, startMs + 60 * cellMs - 1)).toBe(false)
      expect(tryTake(window, rule(3), 3, startMs + 60 * cellMs)).toBe(true)
    }
  })

  test('the reset says when at least one more unit fits, and never exceeds the window', () => {
    const window = openWindow(cellMs)
    expect(window.resetMs(rule(5), 10 * cellMs)).toBe(0)
    tryTake(window, rule(5), 2, 10 * cellMs + 10)
    tryTake(window, rule(5), 3, 20 * cellMs + 20)
    expect(window.resetMs(rule(5), 20 * cellMs + 20)).toBe(50 * cellMs - 10)
    expect(window.waitMs(rule(5), 3, 20 * cellMs + 20)).toBe(60 * cellMs)
    expect(window.room(rule(5), 70 * cellMs + 9)).toBe(0)
    expect(window.room(rule(5), 70 * cellMs + 10)).toBe(2)
  })

  test('a packed window is idle at the millisecond at which it would be empty, and one that is too full is not packed', () => {
    const window = openWindow(cellMs)
    tryTake(window, rule(100), 2, cellMs + 7)
    tryTake(window, rule(100), 1, 3 * cellMs + 9)
    const packed = window.pack(5 * cellMs)
    expect(packed).toEqual([cellMs + 7, 2, 3 * cellMs + 9, 1])
    expect(isPackedIdle(packed ?? [], cellMs, 63 * cellMs + 8)).toBe(false)
    expect(isPackedIdle(packed ?? [], cellMs, 63 * cellMs + 9)).toBe(true)
    for (let cell = 5; cell < 20; cell++) tryTake(window, rule(100), 1, cell * cellMs)
    expect(window.pack(20 * cellMs)).toBeNull()
    expect(window.room(rule(100), 20 * cellMs)).toBe(82)
  })

  test('a limit that is lowered and raised again keeps the counts', () => {
    const window = openWindow(cellMs)
    tryTake(window, rule(10), 2, 0)
    tryTake(window, rule(10), 6, cellMs)
    expect(window.room(rule(5), cellMs)).toBe(-3)
    expect(window.resetMs(rule(5), cellMs)).toBe(60 * cellMs)
    expect(window.resetMs(rule(7), cellMs)).toBe(59 * cellMs)
    expect(window.room(rule(20), cellMs)).toBe(12)
    expect(window.room(rule(10), cellMs)).toBe(2)
  })

  test('a limit of 0 and a cost above the limit wait forever', () => {
    const window = openWindow(cellMs)
    expect(window.room(rule(0), 0)).toBe(0)
    expect(window.waitMs(rule(0), 1, 0)).toBe(Number.POSITIVE_INFINITY)
    expect(window.resetMs(rule(0), 0)).toBe(Number.POSITIVE_INFINITY)
    expect(window.waitMs(rule(4), 5, 0)).toBe(Number.POSITIVE_INFINITY)
  })

  test('counts near the greatest limit stay exact', () => {
    const window = openWindow(cellMs)
    const most = 2_147_483_647
    expect(tryTake(window, rule(most), most - 1, 0)).toBe(true)
    expect(window.room(rule(most), 5)).toBe(1)
    expect(tryTake(window, rule(most), 2, 5)).toBe(false)
    expect(tryTake(window, rule(most), 1, 5)).toBe(true)
    expect(window.room(rule(most), 60 * cellMs)).toBe(0)
    expect(window.room(rule(most), 60 * cellMs + 5)).toBe(most)
  })
})

test('a slot that was used before is empty for its next window', () => {
  const slab = new WindowSlab()
  const slots = Array.from({ length: 300 }, () => slab.take())
  for (const slot of slots) {
    const window = new SlidingWindow(slot, SECOND_MS)
    window.room(makeRule({ perMinute: 9 }), 61_234)
    window.take(9)
  }
  expect(slab.slotsInUse).toBe(300)
  for (const slot of slots) slab.giveBack(slot)
  expect(slab.slotsInUse).toBe(0)
  for (let i = 0; i < 300; i++) {
    const window = new SlidingWindow(slab.take(), MINUTE_MS)
    expect(window.room(makeRule({ perHour: 9 }), 0)).toBe(9)
    expect(window.isIdle(0)).toBe(true)
  }
})

test('windows in one block do not touch each other', () => {
  withSeeds(5, (random) => {
    const slab = new WindowSlab()
    const used = Array.from({ length: 200 }, () => 0)
    const windows = used.map(() => new SlidingWindow(slab.take(), SECOND_MS))
    const rule = makeRule({ perMinute: 1000 })
    for (let step = 0; step < 3000; step++) {
      const i = random.int(0, 199)
      windows[i]?.room(rule, step)
      windows[i]?.take(1)
      used[i] = (used[i] ?? 0) + 1
    }
    expect(windows.map((window) => 1000 - window.room(rule, 3000))).toEqual(used)
  })
})
