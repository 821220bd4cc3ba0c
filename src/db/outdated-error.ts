/**
 * Thrown by the work of a transaction that decided on what another one changed before it could write. The transaction is run
 * anew, and decides on what is there by then; `failure` is thrown in its place when that goes on too long.
 */
export class OutdatedError extends Error {
  override readonly name = 'OutdatedError'
  readonly failure: Error

  constructor(failure: Error) {
    super(failure.message, { cause: failure })
    this.failure = failure
  }
}
