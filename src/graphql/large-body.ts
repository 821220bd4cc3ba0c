import type { IncomingMessage } from 'node:http'
import { KeywardError } from '../errors/keyward-error.ts'
import { createThread, listOwnMemory, type Thread, ThreadError } from '../lib/thread.ts'
import { LARGE_BODIES_MAX } from './limits.ts'

/**
 * A body of megabytes is joined, decoded and parsed in a thread: each of the three would hold up every verification for
 * longer than it takes itself. What the thread hands back is the parsed body without the long texts of its variables. Those come
 * beside it, as bytes that further threads can read without a copy; `long-texts.ts` says what stands in their places.
 */
export interface LargeBodyReader {
  /** Throws MALFORMED_BODY, BODY_TOO_LARGE and UNAVAILABLE. */
  parse(chunks: readonly Buffer[]): Promise<LargeBody>
  stop(): Promise<void>
}

export interface LargeBody {
  readonly value: unknown
  readonly longTexts: readonly SentText[]
}

/** What the thread answers. */
export type ParsedBody = { readonly fault: string } | LargeBody

/** A text within the variables of a large body. */
export interface SentText {
  /** Names that lead from the variables to where it belongs. */
  readonly path: readonly string[]
  readonly characters: number
  /** UTF-8. */
  readonly bytes: SharedBytes
}

export type SharedBytes = Uint8Array<SharedArrayBuffer>

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
      return parsed
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
