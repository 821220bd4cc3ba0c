/** A nonce that somebody wants to use. Instants are milliseconds since the Unix epoch. */
export interface NonceClaim {
  /** UUID of the key that signed. Every key has nonces of its own. */
  readonly keyId: string
  readonly nonce: string
  /** Until when it is remembered. */
  readonly expiresAt: number
  readonly now: number
}

/** Remembers which nonces were accepted. A port of the data plane; `app.ts` wires the one that keeps them in the database. */
export interface NonceStore {
  /**
   * True for exactly one of all claims of a nonce until it expires, on whatever server they are made; when the promise
   * resolves with true, that is remembered through restarts. Rejects when this is not certain, and then nobody may count
   * the request: not even as replayed, because the claim may have been remembered all the same.
   */
  claim(claim: NonceClaim): Promise<boolean>
}
