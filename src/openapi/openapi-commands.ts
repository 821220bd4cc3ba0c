import type { GuardedClient } from '../http/guarded-client.ts'
import { analyzeOpenApi } from './analyze-openapi.ts'
import type { OpenApiAnalysis } from './count-strategies.ts'
import { type GenerateFromOpenApi, generateFromOpenApiCommand } from './generate-from-openapi.ts'
import { createOpenApiReader } from './openapi-reader.ts'
import { createOpenApiSource, type OpenApiSourceInput } from './openapi-source.ts'

/** What is done with OpenAPI documents, with the services that it needs. */
export interface OpenApiCommands {
  readonly generate: GenerateFromOpenApi
  /** Changes nothing. Throws VALIDATION_FAILED and UNAVAILABLE. */
  analyze(input: OpenApiSourceInput): Promise<OpenApiAnalysis>
}

export function createOpenApiCommands({ client }: { readonly client: GuardedClient }): OpenApiCommands {
  const source = createOpenApiSource({ reader: createOpenApiReader(), client })
  return {
    generate: generateFromOpenApiCommand({ source }),
    analyze: (input) => analyzeOpenApi(source, input),
  }
}
