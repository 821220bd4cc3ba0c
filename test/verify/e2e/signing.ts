import { createHmac, randomBytes } from 'node:crypto'
import { signingSecretPurpose } from '../../../src/keys/signing-secret.ts'
import { formatPublicId } from '../../../src/public-id.ts'
import type { Envelope } from '../../../src/secrets/envelope.ts'
import { type KeyOptions, type Query, type SeededKey, seedKey } from './seeding.ts'

/** A key that signs requests. */
export interface SeededSigner extends SeededKey {
  readonly secret: Uint8Array
}

/** @param envelope with the master key of the server */
export async function seedSigner(
  query: Query,
  envelope: Envelope,
  tenantId: string,
  options: KeyOptions = {},
): Promise<SeededSigner> {
  const key = await seedKey(query, tenantId, options)
  const secret = randomBytes(32)
  const sealed = envelope.seal(secret, signingSecretPurpose(key.keyId))
  await query('UPDATE api_keys SET sealed_signing_secret = $2 WHERE id = $1', [key.keyId, sealed])
  return { ...key, secret }
}

export interface SignedRequest {
  /** Seconds since the Unix epoch. */
  readonly timestamp: number
  readonly nonce?: string
  readonly method?: string
  readonly path?: string
}

/** What the body of `POST /verify/signature` says of a request without a body that the key has signed. */
export function sign(signer: Pick<SeededSigner, 'keyId' | 'secret'>, request: SignedRequest): Record<string, unknown> {
  const { timestamp, nonce = randomBytes(8).toString('hex'), method = 'GET', path = '/v1/orders' } = request
  const text = ['kw1', timestamp, nonce, method, path, EMPTY_SHA256].join('\n')
  const signature = createHmac('sha256', signer.secret).update(text).digest('hex')
  const keyId = formatPublicId('ApiKey', signer.keyId)
  return { keyId, timestamp, nonce, method, path, bodySha256: EMPTY_SHA256, signature }
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
