import type { InputIssue } from '../../errors/keyward-error.ts'
import { parsePublicIdOf } from '../../public-id.ts'
import type { VerifyRequest } from '../verify-request.ts'
import { formatCanonicalRequest } from './canonical-request.ts'
import { isNonce, NONCE_RULE, type SignatureClaim } from './signature-claim.ts'

type Fields = Readonly<Record<string, unknown>>

interface FieldRule {
  readonly name: string
  readonly detail: string
  readonly isMet: (value: unknown) => boolean
}

const SIGNATURE_LENGTH_MAX = 256
const BODY_SHA256_PATTERN = /^[0-9a-f]{64}$/
/** A line break could make two requests look the same, and halves of characters all look the same in UTF-8. */
const CONTROL_PATTERN = /\p{Cc}/u

const RULES: readonly FieldRule[] = [
  {
    name: 'timestamp',
    detail: 'It is a whole number: seconds since the Unix epoch.',
    isMet: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  },
  { name: 'nonce', detail: NONCE_RULE, isMet: (value) => typeof value === 'string' && isNonce(value) },
  // What else method and path have to be, the parser of the rest says.
  { name: 'method', detail: '', isMet: () => true },
  {
    name: 'path',
    detail: 'It has no control characters and no halves of characters.',
    isMet: (value) => typeof value !== 'string' || (!CONTROL_PATTERN.test(value) && value.isWellFormed()),
  },
  {
    name: 'bodySha256',
    detail: 'It is a SHA-256 in 64 lower-case hex digits.',
    isMet: (value) => typeof value === 'string' && BODY_SHA256_PATTERN.test(value),
  },
  {
    name: 'signature',
    detail: `It is a string of at most ${SIGNATURE_LENGTH_MAX} characters.`,
    isMet: (value) => typeof value === 'string' && value.length <= SIGNATURE_LENGTH_MAX,
  },
]

/** What is wrong with the fields of our own form, `keyId` apart. */
export function findCanonicalIssues(fields: Fields): readonly InputIssue[] {
  const issues: InputIssue[] = []
  for (const { name, detail, isMet } of RULES) {
    if (fields[name] === undefined) issues.push({ path: [name], detail: 'It is required.' })
    else if (!isMet(fields[name])) issues.push({ path: [name], detail })
  }
  return issues
}

/** The claim that fields without issues make. Method and path come from the rest of the request, already read. */
export function readCanonicalSignature(fields: Fields, { method = '', path = '' }: VerifyRequest): SignatureClaim {
  const timestampSeconds = Number(fields.timestamp)
  const nonce = String(fields.nonce)
  return {
    kind: 'readable',
    keyId: parsePublicIdOf('ApiKey', String(fields.keyId)),
    signedText: formatCanonicalRequest({
      timestampSeconds,
      nonce,
      method,
      path,
      bodySha256: String(fields.bodySha256),
    }),
    signature: decodeHex(String(fields.signature)),
    createdSeconds: timestampSeconds,
    expiresSeconds: null,
    nonce,
  }
}

const HEX_PATTERN = /^(?:[0-9a-f]{2})*$/i

/** What is no hex is no bytes, and so not the signature of anything. */
function decodeHex(text: string): Uint8Array {
  return HEX_PATTERN.test(text) ? Uint8Array.fromHex(text) : new Uint8Array()
}
