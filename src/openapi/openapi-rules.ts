import type { InputIssue } from '../errors/keyward-error.ts'
import { RESERVED_SCOPE_PREFIX } from '../scopes/scope-name.ts'

export interface MethodAction {
  readonly method: string
  readonly action: string
}

const NAMESPACE = /^[a-z0-9][a-z0-9_-]{0,39}$/
const ACTION = /^[a-z0-9_-]{1,30}$/
const METHOD = /^(?:GET|HEAD|OPTIONS|TRACE|POST|PUT|PATCH|DELETE)$/

/** As many as there are methods. */
const ACTIONS_MAX = 8

/** Whether operations can have been imported into it. */
export function isNamespace(namespace: string): boolean {
  return NAMESPACE.test(namespace)
}

/** Every fault of what scopes are to be called. */
export function findNamingIssues(input: {
  readonly namespace: string
  readonly actions?: readonly MethodAction[] | null | undefined
}): readonly InputIssue[] {
  const { namespace, actions } = input
  const issues: InputIssue[] = []
  if (!isNamespace(namespace)) {
    const detail = 'must be 1 to 40 of `a-z 0-9 _ -` and begin with a letter or a digit'
    issues.push({ path: ['input', 'namespace'], detail })
  } else if (`${namespace}:` === RESERVED_SCOPE_PREFIX) {
    issues.push({ path: ['input', 'namespace'], detail: 'is reserved for management permissions' })
  }
  if (actions != null && actions.length > ACTIONS_MAX) {
    return [...issues, { path: ['input', 'actions'], detail: `has more than ${ACTIONS_MAX} entries` }]
  }
  const seen = new Set<string>()
  for (const [index, { method, action }] of (actions ?? []).entries()) {
    const path = ['input', 'actions', index]
    if (!METHOD.test(method))
      issues.push({ path: [...path, 'method'], detail: 'must be a method of OpenAPI, such as GET' })
    else if (seen.has(method)) issues.push({ path: [...path, 'method'], detail: 'has an action already' })
    seen.add(method)
    if (!ACTION.test(action)) issues.push({ path: [...path, 'action'], detail: 'must be 1 to 30 of `a-z 0-9 _ -`' })
  }
  return issues
}
