import { createPublicKey, type KeyObject } from 'node:crypto'

/** Public keys that reports are signed with, by the identifier under which the sender names them. */
export type ReportKeys = ReadonlyMap<string, KeyObject>

/** The file of public keys is not what it should be. The message is a sentence for the operator. */
export class ReportKeysError extends Error {
  override readonly name = 'ReportKeysError'
}

const KEYS_MAX = 100
const IDENTIFIER_PATTERN = /^[\x21-\x7e]{1,256}$/

/**
 * Reads the document that GitHub answers with at https://api.github.com/meta/public_keys/secret_scanning. Every key in it
 * counts, also one that is no longer current: while keys are being replaced, reports that are signed with either are on
 * their way. Whoever wants a key to count no more takes it out. Throws ReportKeysError.
 */
export function parseReportKeys(text: string): ReportKeys {
  const entries = readEntries(text)
  if (entries.length === 0) throw new ReportKeysError('It holds no key.')
  if (entries.length > KEYS_MAX) throw new ReportKeysError(`It holds more than ${KEYS_MAX} keys.`)
  const keys = new Map<string, KeyObject>()
  for (const [index, entry] of entries.entries()) {
    const { key_identifier: identifier, key }: Partial<Record<string, unknown>> = { ...Object(entry) }
    if (typeof identifier !== 'string' || !IDENTIFIER_PATTERN.test(identifier)) {
      throw new ReportKeysError(`Key ${index + 1} has no \`key_identifier\` of at most 256 printable characters.`)
    }
    if (keys.has(identifier)) throw new ReportKeysError(`It holds two keys named ${identifier}.`)
    keys.set(identifier, readKey(identifier, key))
  }
  return keys
}

function readEntries(text: string): readonly unknown[] {
  try {
    const { public_keys: entries }: Partial<Record<string, unknown>> = { ...Object(JSON.parse(text)) }
    if (Array.isArray(entries)) return entries
  } catch {
    // What is no JSON is told in the same words.
  }
  throw new ReportKeysError('It is no JSON object with a list `public_keys`.')
}

function readKey(identifier: string, pem: unknown): KeyObject {
  const key = typeof pem === 'string' && pem.includes('PUBLIC KEY') ? parsePem(pem) : null
  // A key of another curve would make signatures that nobody meant to accept.
  if (key?.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throw new ReportKeysError(`The \`key\` of ${identifier} is no public key of the curve P-256 in PEM.`)
}

function parsePem(pem: string): KeyObject | null {
  try {
    return createPublicKey(pem)
  } catch {
    return null
  }
}
