import { KeywardError } from '../errors/keyward-error.ts'
import { createThread, listOwnMemory, type Pieces, receivePieces, ThreadError } from '../lib/thread.ts'
import type { OpenApiAnalysis } from './count-strategies.ts'
import type { GeneratedScope, GenerateOptions, NeededScope } from './generate-scopes.ts'
import { OPENAPI_DOCUMENT_BYTES_MAX, type OpenApiSummary } from './openapi-operation.ts'

/** UTF-8, in the pieces in which it came. What is no shared memory is taken away from whoever gives it. */
export type DocumentBytes = readonly Uint8Array[]

export type OpenApiReading<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly detail: string }

/** Never rejects because of what the document is. Throws UNAVAILABLE when too many are being read. */
export interface OpenApiReader {
  /** Counts what each strategy would make of a document. */
  analyze(document: DocumentBytes): Promise<OpenApiReading<OpenApiAnalysis>>
  /** Derives scopes. */
  generate(document: DocumentBytes, options: GenerateOptions): Promise<OpenApiReading<OpenApiGeneration>>
}

export interface OpenApiGeneration extends DerivedHead {
  /** By name. */
  readonly scopes: readonly GeneratedScope[]
  /** Operations with the scope that each one needs; those that can have none are missing, and warned of. */
  readonly operations: readonly NeededScope[]
}

interface DerivedHead extends Omit<OpenApiSummary, 'operations' | 'otherBasePaths'> {
  readonly operationCount: number
  readonly warnings: readonly string[]
}

/** What the thread is asked for: scopes by these options, or without any an analysis. */
export interface ReadingOrder {
  readonly document: DocumentBytes
  readonly options: GenerateOptions | null
}

export type ReadingAnswer =
  | { readonly fault: string }
  | { readonly analysis: OpenApiAnalysis }
  | {
      readonly derived: DerivedHead
      readonly scopes: Pieces<readonly GeneratedScope[]>
      readonly operations: Pieces<readonly NeededScope[]>
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
  const thread = createThread<ReadingOrder, ReadingAnswer>({
    module: new URL('./openapi-thread.ts', import.meta.url),
    concurrentMax: THREADS_MAX,
    waitingMax: WAITING_MAX,
    deadlineMs,
    memoryMb,
    endsWithCall: true,
  })

  async function ask(document: DocumentBytes, options: GenerateOptions | null): Promise<ReadingAnswer> {
    const bytes = document.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (bytes > OPENAPI_DOCUMENT_BYTES_MAX) {
      return { fault: `The document has ${bytes} bytes; at most ${OPENAPI_DOCUMENT_BYTES_MAX} are accepted.` }
    }
    const answer = thread.call({ document, options }, document.flatMap(listOwnMemory))
    if (answer === null) {
      throw new KeywardError('UNAVAILABLE', 'Too many documents are being read.', { retryAfterSeconds: 5 })
    }
    return answer.catch((error: unknown) => {
      const reason = error instanceof ThreadError ? error.reason : null
      if (reason === 'memory') return { fault: 'Reading the document takes too much memory.' }
      if (reason === 'deadline')
        return { fault: `Reading the document takes longer than ${deadlineMs / 1000} seconds.` }
      throw error
    })
  }

  return {
    async analyze(document) {
      const answer = await ask(document, null)
      if ('fault' in answer) return { ok: false, detail: answer.fault }
      if ('analysis' in answer) return { ok: true, value: answer.analysis }
      throw new Error('The thread answered something else.')
    },
    async generate(document, options) {
      const answer = await ask(document, options)
      if ('fault' in answer) return { ok: false, detail: answer.fault }
      if (!('derived' in answer)) throw new Error('The thread answered something else.')
      const scopes: GeneratedScope[] = []
      for await (const piece of receivePieces(answer.scopes)) scopes.push(...piece)
      const operations: NeededScope[] = []
      for await (const piece of receivePieces(answer.operations)) operations.push(...piece)
      return { ok: true, value: { ...answer.derived, scopes, operations } }
    },
  }
}
