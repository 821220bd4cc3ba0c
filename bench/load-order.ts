import type { TrafficPart } from './traffic.ts'

/** What the load process is asked to do, and what it answers. */
export type LoadOrder = LoadManner & (Verifications | GivenRequests)

interface LoadManner {
  readonly port: number
  readonly connections: number
  readonly pace: Pace
  /** Load that is not measured, before the one that is. */
  readonly warmUpMs: number
}

/** Requests about the keys of the bench. */
export interface Verifications {
  readonly path: '/verify' | '/verify/batch'
  /** Items of each batch; for `/verify`, 1. */
  readonly itemsPerRequest: number
  readonly traffic: readonly TrafficPart[]
}

/** Any other requests, in random order. Not for the paces that know each request by its number. */
export interface GivenRequests {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Where `UNIQUE_PLACE` stands in one, each request has a number that no other one had. */
  readonly bodies: readonly string[]
  /** How the body of a good answer begins. */
  readonly goodStart: string
}

export const UNIQUE_PLACE = '%unique%'

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
  /** Answers that begin as a good one does: of a batch, its first verdict is valid. */
  readonly validCount: number
  /** Answers with another status than 200, which never are valid. */
  readonly refusedCount: number
}

/** Sent when the measured part begins. */
export const LOAD_BEGINS = 'begins'

/** Argument of the load process: a database works on the same processors. */
export const SHARES_MACHINE = '--shares-machine'
