import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth'
import { maxTokensPlugin } from '@escape.tech/graphql-armor-max-tokens'
import { GraphQLError, Kind, type SelectionSetNode, type ValidationContext, type ValidationRule } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { ALIASES_MAX, DEPTH_MAX, ROOT_FIELDS_MAX, TOKENS_MAX } from './limits.ts'

const CODE = 'QUERY_TOO_COMPLEX'

/**
 * What a document may ask for, checked before any of it is executed. The rules do not look at variables, so their
 * verdict on a document can be remembered; what depends on variables is counted when it is executed (see `builder.ts`).
 */
export function documentLimits(): Plugin[] {
  // Reported instead of thrown: a thrown error would bypass validation's own answer, and close a WebSocket.
  const reported = {
    propagateOnRejection: false,
    onReject: [
      (context: ValidationContext | null, error: GraphQLError) =>
        context?.reportError(new GraphQLError(plain(error), { extensions: { code: CODE } })),
    ],
  }
  return [
    maxTokensPlugin({
      n: TOKENS_MAX,
      onReject: [(_context: unknown, error: GraphQLError) => Object.assign(error.extensions, { code: CODE })],
    }) as Plugin,
    maxDepthPlugin({ n: DEPTH_MAX, flattenFragments: true, ...reported }) as Plugin,
    maxAliasesPlugin({ n: ALIASES_MAX, allowList: [], ...reported }) as Plugin,
    { onValidate: ({ addValidationRule }) => addValidationRule(rootFieldsRule) },
  ]
}

function plain(error: GraphQLError): string {
  return error.message.replace(/^Syntax Error: /, '')
}

/** Each field at the root is work of its own, and in a mutation a transaction of its own. */
const rootFieldsRule: ValidationRule = (context) => ({
  OperationDefinition(operation) {
    const count = countFields(context, operation.selectionSet, new Set())
    if (count <= ROOT_FIELDS_MAX) return
    context.reportError(
      new GraphQLError(`The operation has ${count} fields at its root; at most ${ROOT_FIELDS_MAX} are allowed.`, {
        nodes: operation,
        extensions: { code: CODE },
      }),
    )
  },
})

function countFields(context: ValidationContext, { selections }: SelectionSetNode, seen: Set<string>): number {
  let count = 0
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      count += 1
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      count += countFields(context, selection.selectionSet, seen)
    } else if (!seen.has(selection.name.value)) {
      seen.add(selection.name.value)
      const fragment = context.getFragment(selection.name.value)
      if (fragment) count += countFields(context, fragment.selectionSet, seen)
    }
  }
  return count
}
