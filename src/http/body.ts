import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { KeywardError } from '../errors/keyward-error.ts'

const JSON_TYPE_PATTERN = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** UNSUPPORTED_MEDIA_TYPE unless the request says that it carries JSON in UTF-8 (RFC 8259 §8.1 knows no other). */
export function findMediaTypeError(req: IncomingMessage): KeywardError | null {
  const type = req.headers['content-type']
  const encoding = req.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    return new KeywardError('UNSUPPORTED_MEDIA_TYPE', 'The body must not be compressed.')
  }
  if (type !== undefined && JSON_TYPE_PATTERN.test(type)) return null
  return new KeywardError('UNSUPPORTED_MEDIA_TYPE', 'The body must be `application/json`.')
}

/** Reads a request's body as text. Rejects with MALFORMED_BODY for what is not UTF-8; for the rest see `readBodyBytes`. */
export async function readBody(req: IncomingMessage, bytesMax: number): Promise<string> {
  return decodeBody(await readBodyBytes(req, bytesMax))
}

/**
 * Reads a request's body up to a limit, as it came. Rejects with BODY_TOO_LARGE; never settles when the client goes away
 * first, for then nobody is left to answer.
 *
 * How long a body may take is the server's `requestTimeout` (`server.ts`): Node watches all connections with one timer,
 * where a timer per request would cost each of them.
 */
export function readBodyBytes(req: IncomingMessage, bytesMax: number): Promise<Buffer> {
  if (Number(req.headers['content-length'] ?? 0) > bytesMax) return Promise.reject(tooLarge(bytesMax))
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let bytes = 0
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      // What comes after the limit is read and thrown away: a client that is still sending would not see an answer otherwise.
      if (bytes <= bytesMax) {
        chunks.push(chunk)
        return
      }
      chunks = []
      reject(tooLarge(bytesMax))
    })
    req.on('end', () => resolve(Buffer.concat(chunks)))
  })
}

/** Throws MALFORMED_BODY. The parser's own message is kept from the caller: it quotes the body, and bodies hold keys. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new KeywardError('MALFORMED_BODY', text === '' ? 'The body is empty.' : 'The body cannot be parsed as JSON.')
  }
}

const REPLACEMENT_CHARACTER = '\ufffd'

/** The text from a place in the bytes on. Throws MALFORMED_BODY for what is not UTF-8. */
export function decodeBody(bytes: Buffer, start = 0): string {
  const text = bytes.toString('utf8', start)
  // Decoding replaces what is no UTF-8. Only when the replacement shows must the bytes be looked at again.
  if (text.includes(REPLACEMENT_CHARACTER) && !isUtf8(bytes.subarray(start))) {
    throw new KeywardError('MALFORMED_BODY', 'The body is not valid UTF-8.')
  }
  return text
}

function tooLarge(bytesMax: number): KeywardError {
  return new KeywardError('BODY_TOO_LARGE', `The body may have at most ${bytesMax} bytes.`)
}
