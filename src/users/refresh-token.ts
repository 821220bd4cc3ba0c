import { createHash } from 'node:crypto'
import type { RandomBytes } from '../lib/random.ts'

/** Milliseconds that a refresh token lives, and with it a session that nobody refreshes: 7 days. */
export const REFRESH_TOKEN_TTL_MS = 7 * 24 * 60 * 60 * 1000

const REFRESH_TOKEN_BYTES = 32

export interface NewRefreshToken {
  readonly refreshToken: string
  readonly hash: Uint8Array<ArrayBuffer>
}

/** A new refresh token: 256 random bits, so that its SHA-256 is a safe thing to store. */
export function generateRefreshToken(randomBytes: RandomBytes): NewRefreshToken {
  const refreshToken = Buffer.from(randomBytes(REFRESH_TOKEN_BYTES)).toString('base64url')
  return { refreshToken, hash: hashRefreshToken(refreshToken) }
}

export function hashRefreshToken(refreshToken: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(refreshToken).digest())
}
