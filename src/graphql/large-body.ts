import type { IncomingMessage } from 'node:http'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { KeywardError } from '../errors/keyward-error.ts'
import { createThread, listOwnMemory, type Thread, ThreadError } from '../lib/thread.ts'
import { LARGE_BODIES_MAX } from './limits.ts'

/**
 * A body of megabytes is joined, decoded and parsed in a thread: each of the three would hold up every verification for
 * longer than it takes itself. What the thread hands back is the parsed body without its long texts. Those come beside it, in
 * memory that further threads can read without a copy, and are put in their places piece by piece.
 */
export interface LargeBodyReader {
  /** Throws MALFORMED_BODY and UNAVAILABLE. */
  parse(chunks: readonly Buffer[]): Promise<LargeBody>
  stop(): Promise<void>
}

export interface LargeBody {
  readonly value: unknown
  readonly longTexts: readonly LongText[]
}

/** A text within a large body, as a text and as bytes. To look into the text joins its pieces, which takes milliseconds. */
export interface LongText {
  readonly text: string
  readonly bytes: SharedBytes
}

export type SharedBytes = Uint8Array<SharedArrayBuffer>

/** What the thread answers. */
export type ParsedBody =
  | { readonly fault: string }
  | { readonly value: unknown; readonly longTexts: readonly SentText[] }

export interface SentText {
  /** Names that lead to where the text belongs. */
  readonly path: readonly string[]
  /** UTF-8. */
  readonly bytes: SharedBytes
  /** The same as UTF-16, low byte first, of which a text is made without looking at it. */
  readonly units: SharedBytes
}

export type LargeBodyThread = Thread<readonly Uint8Array[], ParsedBody>

/** Objects of one body. Ten thousand rows of an import take a tenth of it. */
const MEMORY_MB = 512
/** A body takes a tenth of a second, and more where processors are scarce. */
const DEADLINE_MS = 10_000

function startThread(): LargeBodyThread {
  return createThread({
    module: new URL('./large-body-thread.ts', import.meta.url),
    waitingMax: LARGE_BODIES_MAX,
    deadlineMs: DEADLINE_MS,
    memoryMb: MEMORY_MB,
  })
}

export function createLargeBodyReader(thread: LargeBodyThread = startThread()): LargeBodyReader {
  return {
    async parse(chunks) {
      const parsing = thread.call(chunks, chunks.flatMap(listOwnMemory))
      if (parsing === null) {
        throw new KeywardError('UNAVAILABLE', 'Too many large requests are under way.', { retryAfterSeconds: 1 })
      }
      const parsed = await parsing.catch(explainFailure)
      if ('fault' in parsed) throw new KeywardError('MALFORMED_BODY', parsed.fault)
      const longTexts: LongText[] = []
      for (const { path, units, bytes } of parsed.longTexts) {
        const text = await joinText(units)
        putAt(parsed.value, path, text)
        longTexts.push({ text, bytes })
      }
      return { value: parsed.value, longTexts }
    },
    stop: () => thread.stop(),
  }
}

/** A few megabytes of brackets become a thousand times as many bytes of objects. */
function explainFailure(error: unknown): never {
  if (!(error instanceof ThreadError) || error.reason === 'failed') throw error
  if (error.reason === 'memory') throw new KeywardError('BODY_TOO_LARGE', 'Reading the body takes too much memory.')
  throw new KeywardError('UNAVAILABLE', 'The body could not be read in time.', { retryAfterSeconds: 5, cause: error })
}

/**
 * Bytes of a piece. Texts of more than a million characters are kept outside the heap by Node, so that collecting garbage does not
 * have to do with them. One of these takes about a millisecond.
 */
const PIECE_BYTES = 2 * 1024 * 1024

/** Concatenation only notes what follows on what, as long as nobody looks into the text. */
async function joinText({ buffer }: SharedBytes): Promise<string> {
  let text = ''
  for (let start = 0; start < buffer.byteLength; start += PIECE_BYTES) {
    text += Buffer.from(buffer, start, Math.min(PIECE_BYTES, buffer.byteLength - start)).toString('utf16le')
    await yieldToOthers()
  }
  return text
}

function putAt(value: unknown, path: readonly string[], text: string): void {
  const last = path.at(-1)
  let place = value
  for (const name of path.slice(0, -1)) place = isObject(place) && Object.hasOwn(place, name) ? place[name] : undefined
  if (last !== undefined && isObject(place) && Object.hasOwn(place, last)) place[last] = text
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Bytes that are taken off the socket in one turn: some tens of microseconds each 64 KiB. */
const BYTES_AT_ONCE = 256 * 1024

/** The body as it came. Throws BODY_TOO_LARGE, and REQUEST_TIMEOUT when the sender goes away. */
export function receiveChunks(req: IncomingMessage, bytesMax: number): Promise<readonly Buffer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Buffer[]>()
  const chunks: Buffer[] = []
  let bytes = 0
  let bytesOfTurn = 0
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength
    bytesOfTurn += chunk.byteLength
    // What comes after the limit is read and thrown away: a client that is still sending would not see an answer otherwise.
    if (bytes > bytesMax) reject(new KeywardError('BODY_TOO_LARGE', `The body may have at most ${bytesMax} bytes.`))
    else chunks.push(chunk)
    if (bytesOfTurn < BYTES_AT_ONCE) return
    bytesOfTurn = 0
    req.pause()
    setImmediate(() => req.resume())
  })
  req.once('end', () => resolve(chunks))
  req.once('close', () => reject(new KeywardError('REQUEST_TIMEOUT', 'The body did not arrive.')))
  return promise
}
