import { createHmac } from 'node:crypto'
import { parseSignedMessage } from '../../../src/verify/signature/parse-signed-message.ts'
import { parseDictionary } from '../../../src/verify/signature/parse-structured-field.ts'
import { buildSignatureBase, type SignatureBase } from '../../../src/verify/signature/signature-base.ts'
import type { SignedMessage } from '../../../src/verify/signature/signed-message.ts'

/** What a verifier sends as `httpSignature`. */
export interface HttpSignatureInput {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly bodySha256?: string
}

export function messageOf(input: HttpSignatureInput): SignedMessage {
  const parse = parseSignedMessage(input)
  if (!parse.ok) throw new Error(JSON.stringify(parse.issues))
  return parse.message
}

/** The base for a value of `Signature-Input`, such as `("@method");created=1`. */
export function baseOf(message: SignedMessage, signatureInput: string): SignatureBase {
  const member = parseDictionary(`sig=${signatureInput}`)?.get('sig')
  if (member?.kind !== 'list') throw new Error('This is no list of components.')
  return buildSignatureBase(member, message)
}

/**
 * Signs as a client does that knows nothing of our code: lines of the signature base, as RFC 9421 §2.5 words them, in the
 * order in which they are covered.
 */
export function signByHand(
  lines: readonly (readonly [identifier: string, value: string])[],
  parameters: string,
  secret: Uint8Array,
): { readonly 'signature-input': string; readonly signature: string } {
  const list = `(${lines.map(([identifier]) => identifier).join(' ')})${parameters}`
  const base = [...lines, ['"@signature-params"', list]].map(([name, value]) => `${name}: ${value}`).join('\n')
  const signature = createHmac('sha256', secret).update(base).digest('base64')
  return { 'signature-input': `sig1=${list}`, signature: `sig1=:${signature}:` }
}
