import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { KeywardError } from '../errors/keyward-error.ts'
import { type ChunkReceiver, DirectRequest } from './direct-request.ts'

/**
 * Reads a request's body up to a limit and hands it over as text. Exactly one of the two is called, once; neither is
 * when the client goes away first, for then nobody is left to answer.
 *
 * How long a body may take is the server's `requestTimeout` (`server.ts`): Node watches all connections with one timer,
 * where a timer per request would cost each of them.
 */
export interface BodyReceiver {
  onBody(text: string): void
  onError(error: KeywardError): void
}

const JSON_TYPE_PATTERN = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** UNSUPPORTED_MEDIA_TYPE unless the request says that it carries JSON in UTF-8 (RFC 8259 §8.1 knows no other). */
export function findMediaTypeError(req: IncomingMessage): KeywardError | null {
  const type = req.headers['content-type']
  const encoding = req.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    return new KeywardError('UNSUPPORTED_MEDIA_TYPE', 'The body must not be compressed.')
  }
  if (type === 'application/json' || (type !== undefined && JSON_TYPE_PATTERN.test(type))) return null
  return new KeywardError('UNSUPPORTED_MEDIA_TYPE', 'The body must be `application/json`.')
}

export function receiveBody(req: IncomingMessage, bytesMax: number, receiver: BodyReceiver): void {
  if (Number(req.headers['content-length'] ?? 0) > bytesMax) {
    receiver.onError(tooLarge(bytesMax))
    return
  }
  const collector = new Collector(bytesMax, receiver)
  if (req instanceof DirectRequest && req.takeBody(collector)) return
  req.on('data', (chunk: Buffer) => collector.onChunk(chunk))
  req.on('end', () => collector.onEnd())
}

class Collector implements ChunkReceiver {
  readonly #bytesMax: number
  readonly #receiver: BodyReceiver
  #first: Buffer | null = null
  #rest: Buffer[] | null = null
  #bytes = 0

  constructor(bytesMax: number, receiver: BodyReceiver) {
    this.#bytesMax = bytesMax
    this.#receiver = receiver
  }

  onChunk(chunk: Buffer): void {
    const before = this.#bytes
    this.#bytes += chunk.length
    // What comes after the limit is read and thrown away: a client that is still sending would not see an answer otherwise.
    if (this.#bytes > this.#bytesMax) {
      if (before <= this.#bytesMax) this.#receiver.onError(tooLarge(this.#bytesMax))
      return
    }
    if (this.#first === null) this.#first = chunk
    else if (this.#rest === null) this.#rest = [chunk]
    else this.#rest.push(chunk)
  }

  onEnd(): void {
    if (this.#bytes > this.#bytesMax) return
    // Most bodies come in one piece, which needs no joining.
    const first = this.#first ?? EMPTY
    deliver(this.#rest === null ? first : Buffer.concat([first, ...this.#rest]), this.#receiver)
  }
}

/** The same as a promise. It never settles when the client goes away, like the receiver's functions. */
export function readBody(req: IncomingMessage, bytesMax: number): Promise<string> {
  return new Promise((onBody, onError) => receiveBody(req, bytesMax, { onBody, onError }))
}

/** Throws MALFORMED_BODY. The parser's own message is kept from the caller: it quotes the body, and bodies hold keys. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new KeywardError('MALFORMED_BODY', text === '' ? 'The body is empty.' : 'The body cannot be parsed as JSON.')
  }
}

const EMPTY = Buffer.alloc(0)
const REPLACEMENT_CHARACTER = '\ufffd'

function deliver(body: Buffer, receiver: BodyReceiver): void {
  const text = body.toString('utf8')
  // Decoding replaces what is no UTF-8. Only when the replacement shows must the bytes be looked at again.
  if (text.includes(REPLACEMENT_CHARACTER) && !isUtf8(body)) {
    receiver.onError(new KeywardError('MALFORMED_BODY', 'The body is not valid UTF-8.'))
  } else {
    receiver.onBody(text)
  }
}

function tooLarge(bytesMax: number): KeywardError {
  return new KeywardError('BODY_TOO_LARGE', `The body may have at most ${bytesMax} bytes.`)
}
