/** The master key is not the one that is needed. The message is a sentence for the operator and holds nothing of the key. */
export class MasterKeyError extends Error {
  override readonly name = 'MasterKeyError'
}
