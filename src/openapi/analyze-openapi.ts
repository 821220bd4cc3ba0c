import { validationFailed } from '../errors/keyward-error.ts'
import type { OpenApiAnalysis } from './count-strategies.ts'
import { findSourceIssues, type OpenApiSource, type OpenApiSourceInput } from './openapi-source.ts'

/** Throws VALIDATION_FAILED and UNAVAILABLE. */
export async function analyzeOpenApi(source: OpenApiSource, input: OpenApiSourceInput): Promise<OpenApiAnalysis> {
  const issues = findSourceIssues(input)
  if (issues.length > 0) throw validationFailed(issues)
  return source.analyze(input)
}
