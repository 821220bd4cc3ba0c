/** The current cell and the 60 before it: an interval of 60 cells' length touches at most 61 of them. */
export const RING_CELLS = 61

/** Where a window's numbers are: `words` from `wordsAt` on, `halves` from `halvesAt` on. See sliding-window.ts. */
export interface WindowSlot {
  readonly words: Uint32Array
  readonly wordsAt: number
  readonly halves: Uint16Array
  readonly halvesAt: number
}

/**
 * Memory for the cells of many sliding windows: 384 bytes per window (64 words and 64 half words), cut out of blocks of
 * 128. One typed array per window would cost about as much again for the arrays alone, and an allocation outside the
 * heap each time. Blocks are kept for reuse, never given back: the peak number of windows in use is what memory is held
 * for.
 */
export class WindowSlab {
  readonly #free: WindowSlot[] = []
  #slots = 0

  /** A slot of zeroes. */
  take(): WindowSlot {
    const slot = this.#free.pop()
    if (slot === undefined) return this.#grow()
    slot.words.fill(0, slot.wordsAt, slot.wordsAt + SLOT_WORDS)
    slot.halves.fill(0, slot.halvesAt, slot.halvesAt + SLOT_HALVES)
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
    const halves = new Uint16Array(BLOCK_SLOTS * SLOT_HALVES)
    for (let i = BLOCK_SLOTS - 1; i > 0; i--) {
      this.#free.push({ words, wordsAt: i * SLOT_WORDS, halves, halvesAt: i * SLOT_HALVES })
    }
    this.#slots += BLOCK_SLOTS
    return { words, wordsAt: 0, halves, halvesAt: 0 }
  }
}

const BLOCK_SLOTS = 128
/** Three header words and 61 cells. */
const SLOT_WORDS = 64
const SLOT_HALVES = 64
