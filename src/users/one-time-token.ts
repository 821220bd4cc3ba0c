import { createHash } from 'node:crypto'
import type { RandomBytes } from '../lib/random.ts'

const TOKEN_BYTES = 32

export interface NewOneTimeToken {
  readonly token: string
  readonly hash: Uint8Array<ArrayBuffer>
}

/** A new token that works once: 256 random bits, so that its SHA-256 is a safe thing to store. */
export function generateOneTimeToken(randomBytes: RandomBytes): NewOneTimeToken {
  const token = Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url')
  return { token, hash: hashOneTimeToken(token) }
}

/** What a token is found by. */
export function hashOneTimeToken(token: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(token).digest())
}
