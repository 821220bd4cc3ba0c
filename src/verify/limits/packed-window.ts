import { RING_CELLS } from './window-slab.ts'

/**
 * A sliding window in little room, for a subject that is not in use: of each cell that holds something, oldest first,
 * the steady time of its last admission and its units. That is all that a window goes by, so one that is unpacked goes
 * on exactly. One cell takes 0.1 KB, a window of its own 0.45 KB.
 */
export type PackedWindow = readonly number[]

/** More, and the window itself is smaller. */
export const PACKED_CELLS_MAX = 12

/** Whether everything has left the window: the cell that was admitted to last, and with it the older ones. */
export function isPackedIdle(packed: PackedWindow, cellMs: number, steadyMs: number): boolean {
  const lastMs = packed.at(-2)
  return lastMs === undefined || lastMs + (RING_CELLS - 1) * cellMs <= steadyMs
}
