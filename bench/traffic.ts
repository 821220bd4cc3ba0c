import { HOT_KEYS, LIMITED_FIRST, LIMITED_KEYS, UNKNOWN_FIRST, UNKNOWN_TOKENS } from './keys.ts'

/** Which tokens a load asks about. */
export interface TrafficPart {
  /** Part of all requests, from 0 to 1. */
  readonly share: number
  readonly firstIndex: number
  readonly count: number
}

export const VALID_TRAFFIC: readonly TrafficPart[] = [{ share: 1, firstIndex: 0, count: HOT_KEYS }]

export const MIXED_TRAFFIC: readonly TrafficPart[] = [
  { share: 0.8, firstIndex: 0, count: HOT_KEYS },
  { share: 0.1, firstIndex: UNKNOWN_FIRST, count: UNKNOWN_TOKENS },
  { share: 0.1, firstIndex: LIMITED_FIRST, count: LIMITED_KEYS },
]
