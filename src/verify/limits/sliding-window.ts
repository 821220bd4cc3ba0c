import type { Limiter, LimitRule } from './limiter.ts'
import { PACKED_CELLS_MAX, type PackedWindow } from './packed-window.ts'
import { HALVES_PLACE, RING_CELLS, type WindowSlot } from './window-slab.ts'

/**
 * A sliding window of 60 cells: seconds for the limit per minute, minutes for the limit per hour.
 *
 * A cell holds the units admitted in it and when the last of them was (its offset in the cell). It leaves the window as
 * a whole, 60 cells' length after that last admission. From this follow both promises:
 *
 * - No interval [s, s + 60 cells) admits more than the limit. Let u be the last admission in it: every other one is
 *   less than 60 cells older, its cell's last admission is no older than itself, so its cell was still counted when u
 *   was admitted.
 * - Nothing is denied while the current cell and the 60 before it hold less than the limit: nothing older is counted.
 *
 * Expiring cells at their boundary instead would need no offsets, but hold a unit up to one cell longer: `resetSeconds`
 * of an hour would be up to 3660. Fixed windows and windows weighted from two cells, the usual cheap ones, admit up to
 * twice the limit across a boundary. Exact logs of timestamps need memory in proportion to the limit.
 *
 * Layout of the slot: words are head (number of the current cell), used (sum of the cells), oldest (no cell before it
 * holds anything), then the ring of counts, cell c at c mod 61; half words are the ring of offsets. Offsets fit because
 * a minute has 60,000 ms. Cell numbers fit because steady time starts at 0.
 */
export class SlidingWindow implements Limiter {
  readonly #cellMs: number
  readonly #words: Uint32Array
  readonly #halves: Uint16Array
  readonly #start: number
  /** Of the last time that was asked for, in its cell. */
  #offsetMs = 0
  /** The time that the window was moved to last. One request asks several times, and nothing leaves in between. */
  #movedToMs = -1

  /** The slot must be all zeroes. `cellMs` is at most 65,536. */
  constructor(slot: WindowSlot, cellMs: number) {
    this.#cellMs = cellMs
    this.#words = slot.words
    this.#halves = slot.halves
    this.#start = slot.start
  }

  /** Where its numbers are, to be given back with the window. Made when it is asked for, which saves an object each. */
  get slot(): WindowSlot {
    return { words: this.#words, halves: this.#halves, start: this.#start }
  }

  room(rule: LimitRule, steadyMs: number): number {
    this.#moveTo(steadyMs)
    return rule.limit - this.#word(USED)
  }

  take(cost: number): void {
    if (cost === 0) return
    const head = this.#word(HEAD)
    const used = this.#word(USED)
    const position = head % RING_CELLS
    if (used === 0) this.#words[this.#start + OLDEST] = head
    this.#words[this.#start + USED] = used + cost
    this.#words[this.#start + CELLS + position] = this.#count(position) + cost
    this.#halves[this.#halvesStart + position] = this.#offsetMs
  }

  resetMs(rule: LimitRule, steadyMs: number): number {
    this.#moveTo(steadyMs)
    const used = this.#word(USED)
    if (used === 0 && rule.limit > 0) return 0
    return this.#freeingMs(Math.max(1, used - rule.limit + 1), steadyMs)
  }

  waitMs(rule: LimitRule, units: number, steadyMs: number): number {
    this.#moveTo(steadyMs)
    const excess = this.#word(USED) + units - rule.limit
    return excess <= 0 ? 0 : this.#freeingMs(excess, steadyMs)
  }

  windowSeconds(rule: LimitRule): number {
    return rule.windowSeconds
  }

  isIdle(steadyMs: number): boolean {
    this.#moveTo(steadyMs)
    return this.#word(USED) === 0
  }

  /** What is in the window, or null when that takes more room than the window does. */
  pack(steadyMs: number): PackedWindow | null {
    this.#moveTo(steadyMs)
    const head = this.#word(HEAD)
    const packed: number[] = []
    for (let cell = Math.max(this.#word(OLDEST), head - RING_CELLS + 1); cell <= head; cell++) {
      const position = cell % RING_CELLS
      const count = this.#count(position)
      if (count === 0) continue
      if (packed.length === 2 * PACKED_CELLS_MAX) return null
      packed.push(cell * this.#cellMs + (this.#halves[this.#halvesStart + position] ?? 0), count)
    }
    // A list that has grown keeps room to grow further, its copy does not.
    return packed.slice()
  }

  /** Goes on where the packed window was. To be called before anything is asked of this one. */
  unpack(packed: PackedWindow): void {
    for (let i = 0; i < packed.length; i += 2) {
      const lastMs = packed[i] ?? 0
      const cell = Math.floor(lastMs / this.#cellMs)
      this.#words[this.#start + HEAD] = cell
      this.take(packed[i + 1] ?? 0)
      this.#halves[this.#halvesStart + (cell % RING_CELLS)] = lastMs - cell * this.#cellMs
    }
  }

  /** Empties what has left the window. A time before the current cell changes nothing. */
  #moveTo(steadyMs: number): void {
    if (steadyMs === this.#movedToMs) return
    this.#movedToMs = steadyMs
    const cell = Math.floor(steadyMs / this.#cellMs)
    const head = this.#word(HEAD)
    if (cell > head) {
      if (this.#word(USED) > 0) this.#dropCells(head + 1, Math.min(cell, head + RING_CELLS))
      this.#words[this.#start + HEAD] = cell
    }
    if (cell < head) return
    const offsetMs = steadyMs - cell * this.#cellMs
    this.#offsetMs = cell > head ? offsetMs : Math.max(offsetMs, this.#offsetMs)
    // The place after the head's is that of the cell which leaves while the head passes.
    const leaving = (cell + 1) % RING_CELLS
    if (this.#count(leaving) > 0 && (this.#halves[this.#halvesStart + leaving] ?? 0) <= this.#offsetMs) {
      this.#dropCells(leaving, leaving)
    }
  }

  /** Empties the places of these cells. */
  #dropCells(first: number, last: number): void {
    let used = this.#word(USED)
    for (let cell = first; cell <= last; cell++) {
      const at = this.#start + CELLS + (cell % RING_CELLS)
      used -= this.#words[at] ?? 0
      this.#words[at] = 0
    }
    this.#words[this.#start + USED] = used
  }

  /** Milliseconds until `units` of those in the window have left it, Infinity when it holds fewer. */
  #freeingMs(units: number, steadyMs: number): number {
    if (units > this.#word(USED)) return Number.POSITIVE_INFINITY
    const head = this.#word(HEAD)
    let cell = Math.max(this.#word(OLDEST), head - RING_CELLS + 1)
    while (cell < head && this.#count(cell % RING_CELLS) === 0) cell++
    this.#words[this.#start + OLDEST] = cell
    let freed = this.#count(cell % RING_CELLS)
    while (freed < units && cell < head) freed += this.#count(++cell % RING_CELLS)
    const offsetMs = this.#halves[this.#halvesStart + (cell % RING_CELLS)] ?? 0
    return (cell + RING_CELLS - 1) * this.#cellMs + offsetMs - steadyMs
  }

  get #halvesStart(): number {
    return 2 * (this.#start + HALVES_PLACE)
  }

  #word(index: number): number {
    return this.#words[this.#start + index] ?? 0
  }

  #count(position: number): number {
    return this.#words[this.#start + CELLS + position] ?? 0
  }
}

const HEAD = 0
const USED = 1
const OLDEST = 2
const CELLS = 3

export const SECOND_MS = 1000
export const MINUTE_MS = 60_000
