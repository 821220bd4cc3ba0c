/** The current cell and the 60 before it: an interval of 60 cells' length touches at most 61 of them. */
export const RING_CELLS = 61

/**
 * Where a window's numbers are: from `start` on `HALVES_PLACE` words, and behind them half words, which `halves` finds
 * from `2 * (start + HALVES_PLACE)` on. See sliding-window.ts.
 */
export interface WindowSlot {
  readonly words: Uint32Array
  /** The same memory. */
  readonly halves: Uint16Array
  readonly start: number
}

/** Three header words and 61 cells. */
export const HALVES_PLACE = 64

/**
 * Memory for the cells of many sliding windows: 384 bytes per window (64 words and 64 half words, side by side, since
 * each verification visits both), cut out of blocks of 128. One typed array per window would cost about as much again for
 * the arrays alone, and an allocation outside the heap each time. Blocks are kept for reuse, never given back: memory is
 * held for the peak number of windows in use. Of keys that are no longer in memory the windows are packed
 * (packed-window.ts), so that those in use are bounded by the keys in memory.
 */
export class WindowSlab {
  readonly #free: WindowSlot[] = []
  #slots = 0

  /** A slot of zeroes. */
  take(): WindowSlot {
    const slot = this.#free.pop()
    if (slot === undefined) return this.#grow()
    slot.words.fill(0, slot.start, slot.start + SLOT_WORDS)
    return slot
  }

  /** The caller must not touch the slot afterwards: it is another window's soon. */
  giveBack(slot: WindowSlot): void {
    this.#free.push(slot)
  }

  get slotsInUse(): number {
    return this.#slots - this.#free.length
  }

  #grow(): WindowSlot {
    const words = new Uint32Array(BLOCK_SLOTS * SLOT_WORDS)
    const halves = new Uint16Array(words.buffer)
    for (let i = BLOCK_SLOTS - 1; i > 0; i--) this.#free.push({ words, halves, start: i * SLOT_WORDS })
    this.#slots += BLOCK_SLOTS
    return { words, halves, start: 0 }
  }
}

const BLOCK_SLOTS = 128
const SLOT_WORDS = HALVES_PLACE + HALVES_PLACE / 2
