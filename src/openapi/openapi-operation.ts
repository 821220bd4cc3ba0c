/** What is read out of an OpenAPI document: enough to derive scopes, and nothing of its schemas. */
export interface OpenApiSummary {
  readonly title: string
  /** Of the API, not of OpenAPI. */
  readonly version: string
  /** Path of the first server, or Swagger's `basePath`, without a slash at its end; empty when there is none. */
  readonly basePath: string
  /** Paths of its other servers that differ from the first one's, which requests are not matched behind. */
  readonly otherBasePaths: readonly string[]
  readonly operations: readonly OpenApiOperation[]
}

export interface OpenApiOperation {
  /** In upper case. */
  readonly method: string
  /** As the document has it, such as `/pet/{petId}`. */
  readonly path: string
  readonly operationId: string | null
  /** The first of its tags. */
  readonly tag: string | null
}

/** More than any API that people wrote; each one can become a scope. */
export const OPERATIONS_MAX = 10_000
export const OPENAPI_DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
/** Of paths, base paths, ids and tags. Each operation carries its own, and all of them leave the thread that reads. */
export const OPERATION_TEXT_CHARACTERS_MAX = 1_000
/** Each segment is a place in the tree that requests are matched in. */
export const PATH_SEGMENTS_MAX = 32
