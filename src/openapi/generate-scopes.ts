import { SCOPE_NAME_CHARACTERS_MAX } from '../scopes/scope-name.ts'
import type { OpenApiOperation, OpenApiSummary } from './openapi-operation.ts'
import { findResource, toSegment, toSnakeCase } from './scope-segments.ts'

/**
 * Scopes for the operations of an API. Each operation needs one scope; a scope can stand for many operations.
 *
 * | strategy        | scope                             | for `GET /pet/{petId}` in the namespace `shop` |
 * |-----------------|-----------------------------------|-----------------------------------------------|
 * | `PATH_RESOURCE` | namespace : resource : action     | `shop:pet:read`, and `shop:pet:*`             |
 * | `PATH_METHOD`   | namespace : resource_method : action | `shop:pet_get:read`                        |
 * | `TAG`           | namespace : first tag : action    | `shop:pet:read`                               |
 * | `OPERATION_ID`  | namespace : id in snake case : execute | `shop:get_pet_by_id:execute`             |
 */
export const STRATEGIES = ['PATH_RESOURCE', 'PATH_METHOD', 'TAG', 'OPERATION_ID'] as const
export type Strategy = (typeof STRATEGIES)[number]

export interface GenerateOptions {
  readonly strategy: Strategy
  /** First segment of every name. */
  readonly namespace: string
  /** Whether each group of scopes gets a wildcard; left out, PATH_RESOURCE alone has them. */
  readonly wildcards?: boolean | null | undefined
  /** What a method does, in the place of the usual. */
  readonly actions?: Readonly<Record<string, string>>
}

export interface GeneratedScope {
  readonly name: string
  readonly description: string
}

export interface NeededScope {
  readonly method: string
  readonly path: string
  readonly scope: string
}

export interface Generated {
  /** By name. */
  readonly scopes: readonly GeneratedScope[]
  /** Operations with the scope that each one needs; those that can have none are missing, and warned of. */
  readonly operations: readonly NeededScope[]
  readonly warnings: readonly string[]
}

const ACTIONS: Readonly<Record<string, string>> = {
  GET: 'read',
  HEAD: 'read',
  OPTIONS: 'read',
  TRACE: 'read',
  POST: 'write',
  PUT: 'write',
  PATCH: 'write',
  DELETE: 'delete',
}

const WARNINGS_MAX = 100

/** A pure function of the document. */
export function generateScopes(summary: OpenApiSummary, options: GenerateOptions): Generated {
  const { namespace, strategy } = options
  const wildcards = options.wildcards ?? strategy === 'PATH_RESOURCE'
  const operationsByScope = new Map<string, OpenApiOperation[]>()
  const groups = new Set<string>()
  const operations: NeededScope[] = []
  const warnings: string[] = []

  const describe = createNaming(summary, options)
  for (const operation of summary.operations) {
    const { method, path } = operation
    const parts = describe(operation)
    if (parts === null) {
      warnings.push(`${method} ${path} has no operationId, and so no scope.`)
      continue
    }
    const scope = `${namespace}:${parts.group}:${parts.action}`
    if (scope.length > SCOPE_NAME_CHARACTERS_MAX) {
      warnings.push(`${method} ${path} would need a scope of more than ${SCOPE_NAME_CHARACTERS_MAX} characters.`)
      continue
    }
    const sharing = operationsByScope.get(scope)
    if (sharing === undefined) operationsByScope.set(scope, [operation])
    else sharing.push(operation)
    if (wildcards && GROUPING.includes(strategy)) groups.add(`${namespace}:${parts.group}`)
    operations.push({ method, path, scope })
  }
  if (summary.operations.length === 0) warnings.push('The document has no operations.')
  if (strategy === 'OPERATION_ID') warnings.push(...findMergedOperations(operationsByScope))
  if (summary.otherBasePaths.length > 0) warnings.push(describeOtherServers(summary))

  const scopes = [
    ...[...operationsByScope].map(([name, sharing]) => ({ name, description: describeOperations(sharing) })),
    ...[...groups].map((group) => ({ name: `${group}:*`, description: `Everything that begins with ${group}:` })),
  ]
  return { scopes: scopes.toSorted(byName), operations, warnings: shorten(warnings) }
}

/** Strategies whose groups hold more than one scope. */
const GROUPING: readonly Strategy[] = ['PATH_RESOURCE', 'TAG']

type Naming = (operation: OpenApiOperation) => { readonly group: string; readonly action: string } | null

function createNaming(summary: OpenApiSummary, { strategy, actions = {} }: GenerateOptions): Naming {
  const actionOf = (method: string) => actions[method] ?? ACTIONS[method] ?? method.toLowerCase()
  const resourceOf = findResource(summary)
  switch (strategy) {
    case 'PATH_RESOURCE':
      return ({ method, path }) => ({ group: resourceOf(path), action: actionOf(method) })
    case 'PATH_METHOD':
      return ({ method, path }) => ({
        group: `${resourceOf(path)}_${method.toLowerCase()}`,
        action: actionOf(method),
      })
    case 'TAG':
      return ({ method, tag }) => ({ group: toSegment(tag ?? 'untagged'), action: actionOf(method) })
    case 'OPERATION_ID':
      return ({ operationId }) => (operationId === null ? null : { group: toSnakeCase(operationId), action: 'execute' })
  }
}

/** Whoever derives one scope for each operation does not expect that holding it allows another one too. */
function findMergedOperations(operationsByScope: ReadonlyMap<string, readonly OpenApiOperation[]>): string[] {
  return [...operationsByScope]
    .filter(([, sharing]) => sharing.length > 1)
    .map(([scope, sharing]) => `${scope} stands for ${sharing.length} operations: ${describeOperations(sharing)}.`)
}

function describeOtherServers({ basePath, otherBasePaths }: OpenApiSummary): string {
  const others = otherBasePaths.slice(0, DESCRIBED_MAX).map((path) => path || '/')
  return `Requests are matched behind the path of the first server, ${basePath || '/'}, and not behind ${others.join(', ')}.`
}

const DESCRIBED_MAX = 3
const DESCRIPTION_CHARACTERS_MAX = 500

function describeOperations(operations: readonly OpenApiOperation[]): string {
  const named = operations.slice(0, DESCRIBED_MAX).map(({ method, path }) => `${method} ${path}`)
  const more = operations.length - named.length
  const text = named.join(', ').slice(0, DESCRIPTION_CHARACTERS_MAX).toWellFormed().replaceAll('\u0000', '')
  return more > 0 ? `${text} and ${more} more` : text
}

function byName(one: GeneratedScope, other: GeneratedScope): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0
}

function shorten(warnings: readonly string[]): readonly string[] {
  if (warnings.length <= WARNINGS_MAX) return warnings
  return [...warnings.slice(0, WARNINGS_MAX), `… and ${warnings.length - WARNINGS_MAX} more.`]
}
