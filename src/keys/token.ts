import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { RandomBytes } from '../lib/random.ts'
import { ENVIRONMENT_TAGS, type Environment, findEnvironmentByTag } from './environment.ts'

/**
 * The grammar of key tokens: `<prefix>_<env>_<body><checksum>`.
 *
 * - The prefix names who issued the token, so that people and secret scanners recognise it.
 * - The body is 32 base62 characters, 190 bits of entropy: guessing one is hopeless, so a plain SHA-256 of the token is a
 *   safe thing to store (a slow password hash protects guessable secrets, and would cost every verification).
 * - The checksum lets typing errors and random guesses be refused without a look-up. It is no secret and no signature:
 *   anybody can compute it, and nothing is trusted because of it.
 *
 * Tokens of other systems can be imported by their hash; they need not follow this grammar.
 */

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BODY_LENGTH = 32
/** 62^6 > 2^32, so that six characters hold every CRC-32. */
const CHECKSUM_LENGTH = 6
const SHOWN_BODY_LENGTH = 4
const TOKEN_HASH_LENGTH = 32

/**
 * A longer string is nobody's key and is not even hashed. Lower, and long keys imported from other systems would stop
 * working; higher, and a stranger could make the server hash more per request.
 */
export const TOKEN_LENGTH_MAX = 1024

/** Characters of a prefix; see `isTokenPrefix`. */
export const PREFIX_LENGTH_MAX = 16

const PREFIX_PATTERN = /^[a-z][a-z0-9]{1,15}$/
const TOKEN_PATTERN = /^([a-z][a-z0-9]{1,15})_(live|stage|dev|test)_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/

/** 248 is the largest multiple of 62 that fits in a byte: bytes from there on would favour the first 8 characters. */
const UNBIASED_BYTE_LIMIT = 248
/** A healthy generator needs one round; more than this many means that it is broken, and no token is better than a weak one. */
const ROUNDS_MAX = 64

/** SHA-256 of a whole token in 64 lower-case hex digits; the database holds its 32 bytes. */
export type TokenHash = string

export interface ParsedToken {
  readonly prefix: string
  readonly environment: Environment
  /** What may be shown: prefix, environment and the first 4 characters of the body. */
  readonly start: string
}

export interface TokenShape extends ParsedToken {
  /** False for a string that looks like one of our tokens and was never issued as such. */
  readonly checksumMatches: boolean
}

export interface TokenParts {
  /** A tenant's key prefix; see `isTokenPrefix`. */
  readonly prefix: string
  readonly environment: Environment
  readonly randomBytes: RandomBytes
}

export function isTokenPrefix(text: string): boolean {
  return PREFIX_PATTERN.test(text)
}

/** A new token. Throws RangeError for a prefix outside the grammar and Error when the generator repeats refused bytes. */
export function generateToken({ prefix, environment, randomBytes }: TokenParts): string {
  if (!isTokenPrefix(prefix)) throw new RangeError('The prefix does not follow the token grammar.')
  const unchecked = `${prefix}_${ENVIRONMENT_TAGS[environment]}_${generateBody(randomBytes)}`
  return unchecked + computeChecksum(unchecked)
}

function generateBody(randomBytes: RandomBytes): string {
  let body = ''
  for (let round = 0; round < ROUNDS_MAX; round++) {
    for (const byte of randomBytes(BODY_LENGTH + 8)) {
      if (byte >= UNBIASED_BYTE_LIMIT) continue
      body += BASE62.charAt(byte % 62)
      if (body.length === BODY_LENGTH) return body
    }
  }
  throw new Error('The random generator returns nothing usable.')
}

/** CRC-32/IEEE of `text` in base62, most significant digit first, padded with `0` to 6 characters. */
export function computeChecksum(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let place = 0; place < CHECKSUM_LENGTH; place++) {
    digits = BASE62.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}

/** What a token of our grammar says about itself, whether or not its checksum is right; null for any other string. */
export function readTokenShape(token: string): TokenShape | null {
  const match = TOKEN_PATTERN.exec(token)
  const [, prefix, tag, body, checksum] = match ?? []
  if (prefix === undefined || tag === undefined || body === undefined || checksum === undefined) return null
  const environment = findEnvironmentByTag(tag)
  if (environment === null) return null
  return {
    prefix,
    environment,
    start: `${prefix}_${tag}_${body.slice(0, SHOWN_BODY_LENGTH)}`,
    checksumMatches: computeChecksum(token.slice(0, -CHECKSUM_LENGTH)) === checksum,
  }
}

/** Reads a token of our grammar; null when it is another string or when its checksum is wrong. */
export function parseToken(token: string): ParsedToken | null {
  const shape = readTokenShape(token)
  if (shape === null || !shape.checksumMatches) return null
  return { prefix: shape.prefix, environment: shape.environment, start: shape.start }
}

/** The part of a token that may be shown and stored in the clear; null when the token is not of our grammar. */
export function tokenStart(token: string): string | null {
  return readTokenShape(token)?.start ?? null
}

/** The hash by which a token is found. The caller bounds the length first (`TOKEN_LENGTH_MAX`). */
export function hashToken(token: string): TokenHash {
  return hash('sha256', token, 'hex')
}

/** The 32 bytes as they are stored. */
export function tokenHashToBytes(tokenHash: TokenHash): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(tokenHash)
}

/** The hash from its stored 32 bytes. Throws RangeError for any other length. */
export function tokenHashFromBytes(bytes: Uint8Array): TokenHash {
  if (bytes.length !== TOKEN_HASH_LENGTH) throw new RangeError('A token hash has 32 bytes.')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
