import { Worker } from 'node:worker_threads'
import { KeywardError } from '../errors/keyward-error.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { OPENAPI_DOCUMENT_BYTES_MAX, type OpenApiSummary } from './openapi-operation.ts'

export type OpenApiReading =
  | { readonly ok: true; readonly summary: OpenApiSummary }
  | { readonly ok: false; readonly detail: string }

export interface OpenApiReader {
  /** Never rejects because of what the document is. Throws UNAVAILABLE when too many are being read. */
  read(text: string): Promise<OpenApiReading>
}

export interface OpenApiReaderOptions {
  readonly deadlineMs?: number
  readonly memoryMb?: number
}

/** Each one may take a processor for seconds, and much memory. */
const THREADS_MAX = 2
const WAITING_MAX = 8

/** Reads documents in threads of their own, so that no verification waits for one. */
export function createOpenApiReader({
  deadlineMs = 10_000,
  memoryMb = 1024,
}: OpenApiReaderOptions = {}): OpenApiReader {
  const threads = createSemaphore({ concurrentMax: THREADS_MAX, waitingMax: WAITING_MAX })
  return {
    async read(text) {
      const bytes = Buffer.byteLength(text)
      if (bytes > OPENAPI_DOCUMENT_BYTES_MAX) return refuse(describeSize(bytes))
      const reading = threads.run(() => readInThread(text, deadlineMs, memoryMb))
      if (reading !== null) return reading
      throw new KeywardError('UNAVAILABLE', 'Too many documents are being read.', { retryAfterSeconds: 5 })
    },
  }
}

export function describeSize(bytes: number): string {
  return `The document has ${bytes} bytes; at most ${OPENAPI_DOCUMENT_BYTES_MAX} are accepted.`
}

function refuse(detail: string): OpenApiReading {
  return { ok: false, detail }
}

function readInThread(text: string, deadlineMs: number, memoryMb: number): Promise<OpenApiReading> {
  const worker = new Worker(new URL('./openapi-worker.ts', import.meta.url), {
    workerData: text,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, stackSizeMb: 4 },
    // Nothing of the server's surroundings is for a document to see.
    env: {},
    execArgv: [],
  })
  const { promise, resolve, reject } = Promise.withResolvers<OpenApiReading>()
  const timer = setTimeout(
    () => resolve(refuse(`Reading the document takes longer than ${deadlineMs / 1000} seconds.`)),
    deadlineMs,
  )
  worker.once('message', (answer: { summary: OpenApiSummary } | { fault: string }) =>
    resolve('summary' in answer ? { ok: true, summary: answer.summary } : refuse(answer.fault)),
  )
  worker.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') resolve(refuse('Reading the document takes too much memory.'))
    else if (error instanceof RangeError) resolve(refuse('The document is nested too deeply.'))
    else reject(error)
  })
  worker.once('exit', () => reject(new Error('The thread that reads a document ended without an answer.')))
  return promise.finally(async () => {
    clearTimeout(timer)
    await worker.terminate()
  })
}
