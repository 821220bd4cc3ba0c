import { createHash } from 'node:crypto'

/** The keys of the comparison, by number, in the length that Better Auth makes them. */
export const PEER_KEYS = 10_000

export function peerKey(index: number): string {
  return createHash('sha256').update(`better-auth ${index}`).digest('hex')
}
