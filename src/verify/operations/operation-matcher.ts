import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { decodePathSegment, parseRequestPath } from '../access/request-path.ts'

/** An operation of an imported API, with the scope that it needs. */
export interface OperationRecord {
  /** In upper case. */
  readonly method: string
  /** Template such as `/pet/{petId}`. */
  readonly path: string
  /** Of the API's server, such as `/api/v3`; empty when it has none. */
  readonly basePath: string
  readonly scope: string
}

/**
 * Finds the scope that a request needs by its method and path, which may come with or without the base path of the server.
 *
 * The templates form a tree of segments: literal ones are tried before parameters, so that `/pet/findByTags` beats
 * `/pet/{petId}`, and a branch that leads to no operation is left again. How many operations there are makes no difference.
 * Templates made for nothing but to lead astray end the search instead: the request is then denied.
 */
export interface OperationMatcher {
  /** Null when no operation matches. GET stands for HEAD where that has none of its own. */
  findScope(method: string, path: string): string | null
}

interface TemplateNode {
  /** Null until there is one: most templates of a tree end in a single branch. */
  literals: Map<string, TemplateNode> | null
  parameter: TemplateNode | null
  /** By method; null when no template ends here. */
  scopes: Map<string, string> | null
}

/** Nodes that one search looks at. An API that people wrote needs about one for each segment of the path. */
const STEPS_MAX = 256

/** Templates that are inserted in one go, which takes some milliseconds. Verifications are answered in between. */
const INSERTED_AT_ONCE = 200

/** Of operations with one method and path the first counts. Twenty thousand take a second, in which others have turns. */
export async function compileOperations(operations: readonly OperationRecord[]): Promise<OperationMatcher> {
  const root = createNode()
  let inserted = 0
  for (const { method, path, basePath, scope } of operations) {
    if (++inserted % INSERTED_AT_ONCE === 0) await yieldToOthers()
    insert(root, basePath + path, method, scope)
  }
  // After all full paths, so that none of those is hidden by what another API calls the same without its base.
  for (const { method, path, basePath, scope } of operations) {
    if (basePath === '') continue
    if (++inserted % INSERTED_AT_ONCE === 0) await yieldToOthers()
    insert(root, path, method, scope)
  }

  return {
    findScope(method, path) {
      const parsed = parseRequestPath(path)
      if (!parsed.ok) return null
      const name = method.toUpperCase()
      const found = search(root, parsed.segments, name)
      return found === null && name === 'HEAD' ? search(root, parsed.segments, 'GET') : found
    },
  }
}

function createNode(): TemplateNode {
  return { literals: null, parameter: null, scopes: null }
}

/** A template that no path could match is left out. */
function insert(root: TemplateNode, template: string, method: string, scope: string): void {
  let node = root
  for (const encoded of template.split('/').filter((segment) => segment !== '')) {
    const literal = encoded.includes('{') ? null : decodePathSegment(encoded)
    if (literal === null) node = node.parameter ??= createNode()
    else if (!literal.ok) return
    else {
      node.literals ??= new Map()
      const next: TemplateNode = node.literals.get(literal.text) ?? createNode()
      node.literals.set(literal.text, next)
      node = next
    }
  }
  node.scopes ??= new Map()
  if (!node.scopes.has(method)) node.scopes.set(method, scope)
}

function search(root: TemplateNode, segments: readonly string[], method: string): string | null {
  let steps = 0
  function visit(node: TemplateNode, depth: number): string | null {
    if (++steps > STEPS_MAX) return null
    const segment = segments[depth]
    if (segment === undefined) return node.scopes?.get(method) ?? null
    const literal = node.literals?.get(segment)
    const found = literal === undefined ? null : visit(literal, depth + 1)
    return found !== null || node.parameter === null ? found : visit(node.parameter, depth + 1)
  }
  return visit(root, 0)
}
