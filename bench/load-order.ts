import type { TrafficPart } from './traffic.ts'

/** What the load process is asked to do, and what it answers. */
export interface LoadOrder {
  readonly port: number
  readonly path: '/verify' | '/verify/batch'
  /** Items of each batch; for `/verify`, 1. */
  readonly itemsPerRequest: number
  readonly traffic: readonly TrafficPart[]
  readonly connections: number
  readonly pace: Pace
  /** Load that is not measured, before the one that is. */
  readonly warmUpMs: number
}

export type Pace =
  /** Each connection sends its next request when the last one is answered. */
  | { readonly kind: 'closed'; readonly durationMs: number }
  /**
   * Requests leave at fixed instants, whether or not earlier ones are answered, and each waits from its instant on. Each
   * index of the traffic's only part is asked for once, in order.
   */
  | { readonly kind: 'open'; readonly ratePerSecond: number }
  /** As fast as the connections allow, each index of the traffic's only part once. */
  | { readonly kind: 'once' }

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Answers that begin with `{"valid":true`. */
  readonly validCount: number
  /** Answers with another status than 200, which never are valid. */
  readonly refusedCount: number
}

/** Sent when the measured part begins. */
export const LOAD_BEGINS = 'begins'
