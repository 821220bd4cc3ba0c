import { HOT_KEYS, LIMITED_FIRST, LIMITED_KEYS, UNKNOWN_FIRST, UNKNOWN_TOKENS } from './keys.ts'

/** Which tokens a load asks about. */
export interface TrafficPart {
  /** Part of all requests, from 0 to 1. */
  readonly share: number
  readonly firstIndex: number
  readonly count: number
  /** From one index to the next, where each is asked for once; 1 when absent. With 0 it is one key, `count` times. */
  readonly step?: number
}

/** Items of each batch, where batches are measured. */
export const BATCH_ITEMS = 100

export const VALID_TRAFFIC: readonly TrafficPart[] = [{ share: 1, firstIndex: 0, count: HOT_KEYS }]

export const MIXED_TRAFFIC: readonly TrafficPart[] = [
  { share: 0.8, firstIndex: 0, count: HOT_KEYS },
  { share: 0.1, firstIndex: UNKNOWN_FIRST, count: UNKNOWN_TOKENS },
  { share: 0.1, firstIndex: LIMITED_FIRST, count: LIMITED_KEYS },
]
