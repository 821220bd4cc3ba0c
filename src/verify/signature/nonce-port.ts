/** A nonce that somebody wants to use. Instants are milliseconds since the Unix epoch. */
export interface NonceClaim {
  /** UUID of the key that signed. Every key has nonces of its own. */
  readonly keyId: string
  readonly nonce: string
  /** Until when it is remembered. */
  readonly expiresAt: number
  readonly now: number
}

/** Remembers which nonces were accepted. A port of the data plane: `keys/nonce-store.ts` keeps them in the database. */
export interface NonceStore {
  /**
   * True for exactly one of all claims of a nonce until it expires, on whatever server they are made; once the promise
   * has resolved with true, that outlasts restarts. Rejects when this is not certain. Then the request is neither
   * accepted nor replayed, and its nonce may be used up all the same.
   */
  claim(claim: NonceClaim): Promise<boolean>
}
