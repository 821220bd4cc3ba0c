import { generateScopes, STRATEGIES, type Strategy } from './generate-scopes.ts'
import type { OpenApiSummary } from './openapi-operation.ts'

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

/** A pure function of the document. */
export function countStrategies(summary: OpenApiSummary): OpenApiAnalysis {
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
