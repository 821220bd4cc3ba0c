/** What is read out of an OpenAPI document: enough to derive scopes, and nothing of its schemas. */
export interface OpenApiSummary {
  readonly title: string
  /** Of the API, not of OpenAPI. */
  readonly version: string
  /** Path of the first server, or Swagger's `basePath`, without a slash at its end; empty when there is none. */
  readonly basePath: string
  readonly operations: readonly OpenApiOperation[]
}

export interface OpenApiOperation {
  /** In upper case. */
  readonly method: string
  /** As the document has it, such as `/pet/{petId}`. */
  readonly path: string
  readonly operationId: string | null
  readonly tags: readonly string[]
}

/** More than any API that people wrote; each one can become a scope. */
export const OPERATIONS_MAX = 10_000
export const OPENAPI_DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
