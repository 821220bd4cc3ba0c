import { type InputIssue, validationFailed } from '../errors/keyward-error.ts'
import type { GuardedClient } from '../http/guarded-client.ts'
import { OPENAPI_DOCUMENT_BYTES_MAX, type OpenApiSummary } from './openapi-operation.ts'
import type { OpenApiReader } from './openapi-reader.ts'

/** Where a document comes from: one of the two. */
export interface OpenApiSourceInput {
  readonly document?: string | null | undefined
  readonly url?: URL | string | null | undefined
}

const FETCH_DEADLINE_MS = 10_000

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
  async function getText({ document, url }: OpenApiSourceInput): Promise<string> {
    if (document != null) return document
    const bounds = { bytesMax: OPENAPI_DOCUMENT_BYTES_MAX, deadlineMs: FETCH_DEADLINE_MS }
    const fetched = await deps.client.getText(String(url), bounds)
    if (fetched.ok) return fetched.text
    throw validationFailed([{ path: ['input', 'url'], detail: fetched.detail }])
  }

  return {
    async read(input) {
      const reading = await deps.reader.read(await getText(input))
      if (reading.ok) return reading.summary
      const field = input.document != null ? 'document' : 'url'
      throw validationFailed([{ path: ['input', field], detail: reading.detail }])
    },
  }
}
