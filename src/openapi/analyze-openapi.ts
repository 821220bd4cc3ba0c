import { validationFailed } from '../errors/keyward-error.ts'
import { generateScopes, STRATEGIES, type Strategy } from './generate-scopes.ts'
import { findSourceIssues, type OpenApiSource, type OpenApiSourceInput } from './openapi-source.ts'

export interface OpenApiAnalysis {
  readonly title: string
  readonly version: string
  readonly operationCount: number
  readonly strategies: readonly StrategyCounts[]
}

/** What a strategy would make of the document, counted by doing it. */
export interface StrategyCounts {
  readonly strategy: Strategy
  readonly scopeCount: number
  readonly wildcardCount: number
  /** Operations that could have no scope. */
  readonly skippedOperationCount: number
  readonly warnings: readonly string[]
}

/** Names differ with the namespace, and their number does not. */
const SOME_NAMESPACE = 'api'

/** Throws VALIDATION_FAILED and UNAVAILABLE. */
export async function analyzeOpenApi(source: OpenApiSource, input: OpenApiSourceInput): Promise<OpenApiAnalysis> {
  const issues = findSourceIssues(input)
  if (issues.length > 0) throw validationFailed(issues)
  const summary = await source.read(input)
  const strategies = STRATEGIES.map((strategy) => {
    const { scopes, operations, warnings } = generateScopes(summary, { strategy, namespace: SOME_NAMESPACE })
    const wildcardCount = scopes.filter(({ name }) => name.endsWith(':*')).length
    return {
      strategy,
      scopeCount: scopes.length,
      wildcardCount,
      skippedOperationCount: summary.operations.length - operations.length,
      warnings,
    }
  })
  const { title, version, operations } = summary
  return { title, version, operationCount: operations.length, strategies }
}
