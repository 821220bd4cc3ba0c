import { type InputIssue, KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { GuardedClient } from '../http/guarded-client.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { OPENAPI_DOCUMENT_BYTES_MAX, type OpenApiSummary } from './openapi-operation.ts'
import type { OpenApiReader } from './openapi-reader.ts'

/** Where a document comes from: one of the two. */
export interface OpenApiSourceInput {
  readonly document?: string | null | undefined
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

export interface OpenApiSource {
  /** The document, fetched if need be, and read. Throws VALIDATION_FAILED and UNAVAILABLE. */
  read(input: OpenApiSourceInput): Promise<OpenApiSummary>
}

export function createOpenApiSource(deps: {
  readonly reader: OpenApiReader
  readonly client: GuardedClient
}): OpenApiSource {
  const fetches = createSemaphore({ concurrentMax: FETCHES_MAX, waitingMax: FETCHES_WAITING_MAX })

  async function fetchAndRead(url: URL | string): Promise<OpenApiSummary> {
    const bounds = { bytesMax: OPENAPI_DOCUMENT_BYTES_MAX, deadlineMs: FETCH_DEADLINE_MS }
    const fetched = await deps.client.getText(String(url), bounds)
    if (fetched.ok) return read(fetched.text, 'url')
    throw validationFailed([{ path: ['input', 'url'], detail: fetched.detail }])
  }

  async function read(text: string, field: 'document' | 'url'): Promise<OpenApiSummary> {
    const reading = await deps.reader.read(text)
    if (reading.ok) return reading.summary
    throw validationFailed([{ path: ['input', field], detail: reading.detail }])
  }

  return {
    async read({ document, url }) {
      if (document != null) return read(document, 'document')
      const reading = fetches.run(() => fetchAndRead(String(url)))
      if (reading !== null) return reading
      throw new KeywardError('UNAVAILABLE', 'Too many documents are being fetched.', { retryAfterSeconds: 5 })
    },
  }
}
