import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { MasterKeyError } from './master-key-error.ts'

/**
 * Envelope encryption for what must be read back. Each secret is encrypted with a data key of its own, and only that
 * data key with the master key: rotating the master key re-wraps 32 bytes per secret and never touches the secrets.
 *
 * Sealed form: version (1) · master key id (8) · wrapped data key (nonce 12, ciphertext 32, tag 16) · nonce (12) ·
 * ciphertext · tag (16). AES-256-GCM throughout (NIST SP 800-38D), with random nonces: a master key wraps far fewer than
 * the 2^32 data keys up to which that is safe, and a data key encrypts once.
 */
const VERSION = 1
const KEY_BYTES = 32
const KEY_ID_BYTES = 8
const NONCE_BYTES = 12
const TAG_BYTES = 16
const WRAPPED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
const HEADER_BYTES = 1 + KEY_ID_BYTES + WRAPPED_KEY_BYTES

export interface Envelope {
  /**
   * `purpose` is bound to the ciphertext: what was sealed for one purpose cannot be passed off as another. It is no
   * secret and must be the same at `open`.
   */
  seal(plaintext: Uint8Array, purpose: string): Uint8Array<ArrayBuffer>
  /** Throws when the bytes were changed or sealed for another purpose; MasterKeyError when with another master key. */
  open(sealed: Uint8Array, purpose: string): Uint8Array
}

/** Throws RangeError for a master key that has not 32 bytes. */
export function createEnvelope(masterKey: Uint8Array): Envelope {
  if (masterKey.length !== KEY_BYTES) throw new RangeError('The master key has 32 bytes.')
  const masterKeyId = createHash('sha256').update('keyward master key id').update(masterKey).digest()
  const keyId = masterKeyId.subarray(0, KEY_ID_BYTES)

  return {
    seal(plaintext, purpose) {
      const dataKey = randomBytes(KEY_BYTES)
      const header = Buffer.concat([Buffer.from([VERSION]), keyId, encrypt(masterKey, dataKey, purpose)])
      return Uint8Array.from(Buffer.concat([header, encrypt(dataKey, plaintext, purpose)]))
    },
    open(sealed, purpose) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
      if (bytes.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES || bytes[0] !== VERSION) {
        throw new Error('This is not a sealed secret.')
      }
      if (!bytes.subarray(1, 1 + KEY_ID_BYTES).equals(keyId)) {
        throw new MasterKeyError(
          'A secret was sealed with another master key; give the server the MASTER_KEY that it was set up with.',
        )
      }
      const dataKey = decrypt(masterKey, bytes.subarray(1 + KEY_ID_BYTES, HEADER_BYTES), purpose)
      return decrypt(dataKey, bytes.subarray(HEADER_BYTES), purpose)
    },
  }
}

function encrypt(key: Uint8Array, plaintext: Uint8Array, purpose: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(purpose))
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Uint8Array, sealed: Buffer, purpose: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(purpose))
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)), decipher.final()])
}
