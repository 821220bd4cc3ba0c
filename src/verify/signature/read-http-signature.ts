import { parsePublicIdOf } from '../../public-id.ts'
import { parseDictionary } from './parse-structured-field.ts'
import { buildSignatureBase } from './signature-base.ts'
import { isNonce, NONCE_RULE, type SignatureClaim } from './signature-claim.ts'
import { findCoverageFault } from './signature-coverage.ts'
import { combineField, type SignedMessage } from './signed-message.ts'
import { type Dictionary, type InnerList, type Parameters, serializeBytes } from './structured-field.ts'

/**
 * Reads a request that was signed by RFC 9421 with `hmac-sha256`.
 *
 *     Signature-Input ─▶ the one signature whose keyid names our key ─▶ its parameters ─▶ signature base ─▶ coverage
 *
 * A message may carry signatures of others too, such as of a proxy; those are not ours to judge, and anything may be in
 * them. Exactly one must name the key: with two, an attacker who strips or adds one would choose which counts.
 *
 * @param givenKeyId the public id of the key that the verifier asks about; null when the signature alone names it
 */
export function readHttpSignature(message: SignedMessage, givenKeyId: string | null): SignatureClaim {
  const inputs = readInputs(message)
  const selection = selectSignature(inputs ?? [], givenKeyId)
  if (selection.ok) return readSelected(selection.input, selection.keyId, message)
  const detail = inputs === null ? 'The field `Signature-Input` is missing or cannot be read.' : selection.detail
  if (selection.keyId === undefined) return { kind: 'unnamed', detail }
  return { kind: 'faulty', keyId: selection.keyId, detail }
}

interface SignatureInput {
  readonly label: string
  readonly list: InnerList
  readonly keyid: string
}

/** More than a request gathers on its way. */
const LABELS_MAX = 16

/** The signatures that say whose they are; null when the field cannot be read. */
function readInputs({ fields }: SignedMessage): readonly SignatureInput[] | null {
  const dictionary = parseField(fields, 'signature-input')
  if (dictionary === null) return null
  const inputs: SignatureInput[] = []
  for (const [label, member] of dictionary) {
    if (member.kind !== 'list') return null
    const keyid = readString(member.parameters, 'keyid')
    if (keyid !== null) inputs.push({ label, list: member, keyid })
  }
  return inputs
}

function parseField(fields: SignedMessage['fields'], name: string): Dictionary | null {
  const text = combineField(fields, name)
  const dictionary = text === null ? null : parseDictionary(text)
  return dictionary === null || dictionary.size > LABELS_MAX ? null : dictionary
}

type Selection =
  | { readonly ok: true; readonly input: SignatureInput; readonly keyId: string | null }
  /** `keyId` is undefined when no key is named at all. */
  | { readonly ok: false; readonly keyId: string | null | undefined; readonly detail: string }

function selectSignature(inputs: readonly SignatureInput[], givenKeyId: string | null): Selection {
  if (givenKeyId !== null) {
    const keyId = parsePublicIdOf('ApiKey', givenKeyId)
    const [input, second] = inputs.filter(({ keyid }) => keyid === givenKeyId)
    if (input === undefined)
      return { ok: false, keyId, detail: 'No signature of the request has the `keyid` asked for.' }
    if (second !== undefined) return { ok: false, keyId, detail: 'Two signatures of the request have this `keyid`.' }
    return { ok: true, input, keyId }
  }
  const ours = inputs.filter(({ keyid }) => parsePublicIdOf('ApiKey', keyid) !== null)
  const [input, second] = ours
  if (second !== undefined) {
    return {
      ok: false,
      keyId: undefined,
      detail: 'Several signatures of the request name a key; say which by `keyId`.',
    }
  }
  if (input !== undefined) return { ok: true, input, keyId: parsePublicIdOf('ApiKey', input.keyid) }
  const detail = 'No signature of the request names a key by its `keyid`.'
  // Whoever is named, it is no key: the answer is the same as for a key that does not exist.
  return { ok: false, keyId: inputs.length > 0 ? null : undefined, detail }
}

function readSelected({ label, list }: SignatureInput, keyId: string | null, message: SignedMessage): SignatureClaim {
  const faulty = (detail: string): SignatureClaim => ({ kind: 'faulty', keyId, detail })
  const signature = parseField(message.fields, 'signature')?.get(label)
  if (signature?.kind !== 'item' || signature.bare.type !== 'bytes') {
    return faulty('The field `Signature` has no byte sequence under the label of `Signature-Input`.')
  }
  const fault = findParameterFault(list.parameters)
  if (fault !== null) return faulty(fault)
  const createdSeconds = readSeconds(list.parameters, 'created')
  if (createdSeconds === null) return faulty('The signature does not say when it was `created`.')
  const base = buildSignatureBase(list, message)
  if (!base.ok) return faulty(base.detail)
  const coverageFault = findCoverageFault(base.components, message)
  if (coverageFault !== null) return faulty(coverageFault)
  const { value } = signature.bare
  return {
    kind: 'readable',
    keyId,
    signedText: base.text,
    signature: value,
    createdSeconds,
    expiresSeconds: readSeconds(list.parameters, 'expires'),
    // The RFC leaves the nonce to the signer. An HMAC says the same of the same text, so it can stand in for one.
    nonce: readString(list.parameters, 'nonce') ?? serializeBytes(value),
  }
}

const ALGORITHM = 'hmac-sha256'

/** RFC 9421 §2.3. What a parameter means that is not known here, nobody knows; perhaps that the signature does not count. */
function findParameterFault(parameters: Parameters): string | null {
  for (const [name, { type }] of parameters) {
    const expected = PARAMETER_TYPES.get(name)
    if (expected === undefined) return 'The signature has a parameter that is not known here.'
    if (type !== expected) return `The parameter \`${name}\` of the signature is not of the type ${expected}.`
  }
  // The key decides on the algorithm. A signer who names another one, or an attacker who does, is not followed.
  if ((readString(parameters, 'alg') ?? ALGORITHM) !== ALGORITHM) {
    return `The signature is not of the algorithm \`${ALGORITHM}\`.`
  }
  const nonce = readString(parameters, 'nonce')
  if (nonce !== null && !isNonce(nonce)) return `The \`nonce\` of the signature cannot be used. ${NONCE_RULE}`
  return null
}

const PARAMETER_TYPES: ReadonlyMap<string, 'integer' | 'string'> = new Map([
  ['created', 'integer'],
  ['expires', 'integer'],
  ['nonce', 'string'],
  ['alg', 'string'],
  ['keyid', 'string'],
  ['tag', 'string'],
] as const)

function readString(parameters: Parameters, name: string): string | null {
  const bare = parameters.get(name)
  return bare?.type === 'string' ? bare.value : null
}

function readSeconds(parameters: Parameters, name: string): number | null {
  const bare = parameters.get(name)
  return bare?.type === 'integer' ? bare.value : null
}
