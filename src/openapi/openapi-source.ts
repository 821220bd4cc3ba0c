import { type InputIssue, KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { GuardedClient } from '../http/guarded-client.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { OpenApiAnalysis } from './count-strategies.ts'
import type { GenerateOptions } from './generate-scopes.ts'
import { OPENAPI_DOCUMENT_BYTES_MAX } from './openapi-operation.ts'
import type { DocumentBytes, OpenApiGeneration, OpenApiReader, OpenApiReading } from './openapi-reader.ts'

/** Where a document comes from: one of the two. */
export interface OpenApiSourceInput {
  /** A large one as bytes, which are read elsewhere without being copied. */
  readonly document?: string | Uint8Array<SharedArrayBuffer> | null | undefined
  readonly url?: URL | string | null | undefined
}

const FETCH_DEADLINE_MS = 10_000
/** Each one may hold a document of the full size in memory, and a place until the deadline. */
const FETCHES_MAX = 4
const FETCHES_WAITING_MAX = 8

export function findSourceIssues({ document, url }: OpenApiSourceInput): readonly InputIssue[] {
  if ((document == null) !== (url == null)) return []
  return [{ path: ['input', 'document'], detail: 'give either `document` or `url`' }]
}

/** The document, fetched if need be, and what is made of it. Throws VALIDATION_FAILED and UNAVAILABLE. */
export interface OpenApiSource {
  analyze(input: OpenApiSourceInput): Promise<OpenApiAnalysis>
  generate(input: OpenApiSourceInput, options: GenerateOptions): Promise<OpenApiGeneration>
}

type Read<Value> = (document: DocumentBytes) => Promise<OpenApiReading<Value>>

export function createOpenApiSource({
  reader,
  client,
}: {
  readonly reader: OpenApiReader
  readonly client: GuardedClient
}): OpenApiSource {
  const fetches = createSemaphore({ concurrentMax: FETCHES_MAX, waitingMax: FETCHES_WAITING_MAX })

  async function fetchAndRead<Value>(url: string, read: Read<Value>): Promise<Value> {
    const bounds = { bytesMax: OPENAPI_DOCUMENT_BYTES_MAX, deadlineMs: FETCH_DEADLINE_MS }
    const fetched = await client.getBytes(url, bounds)
    if (fetched.ok) return requireRead(await read(fetched.chunks), 'url')
    throw validationFailed([{ path: ['input', 'url'], detail: fetched.detail }])
  }

  async function readFrom<Value>({ document, url }: OpenApiSourceInput, read: Read<Value>): Promise<Value> {
    if (document != null) {
      const bytes = typeof document === 'string' ? new TextEncoder().encode(document) : document
      return requireRead(await read([bytes]), 'document')
    }
    const reading = fetches.run(() => fetchAndRead(String(url), read))
    if (reading !== null) return reading
    throw new KeywardError('UNAVAILABLE', 'Too many documents are being fetched.', { retryAfterSeconds: 5 })
  }

  return {
    analyze: (input) => readFrom(input, reader.analyze),
    generate: (input, options) => readFrom(input, (document) => reader.generate(document, options)),
  }
}

function requireRead<Value>(reading: OpenApiReading<Value>, field: 'document' | 'url'): Value {
  if (reading.ok) return reading.value
  throw validationFailed([{ path: ['input', field], detail: reading.detail }])
}
