import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql'
import { CHANGE_COST, INTROSPECTION_COST } from './limits.ts'

/**
 * What an operation costs, in points: each field one, once per row that could come back, and what fields at the root cost
 * beside that. The cost is known before anything is executed, and so does not depend on what there is to read.
 *
 * At least 1. Null when the variables are not valid: the execution refuses them, and says what is wrong with them.
 */
export function countCost(args: Omit<ExecutionArgs, 'contextValue'>): number | null {
  const { schema, document, operationName, variableValues } = args
  const operation = getOperationAST(document, operationName)
  if (!operation) return null
  try {
    const variables = variableValues ?? {}
    const { complexity } = complexityFromQuery(pickOperation(document, operation), { schema, variables })
    return Math.max(1, complexity + countSurcharge(document, operation))
  } catch (error) {
    if (error instanceof GraphQLError) return null
    throw error
  }
}

function pickOperation({ kind, definitions }: DocumentNode, operation: OperationDefinitionNode): DocumentNode {
  return { kind, definitions: [operation, ...definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION)] }
}

/** A change is a transaction and introspection a walk over the whole schema: neither shows in the fields that are selected. */
function countSurcharge(document: DocumentNode, operation: OperationDefinitionNode): number {
  const names = listRootFields(document, operation.selectionSet)
  if (operation.operation === OperationTypeNode.MUTATION) return names.length * CHANGE_COST
  return names.filter((name) => name === '__schema' || name === '__type').length * INTROSPECTION_COST
}

/** Ends, and soon: of a validated document no fragment is in itself, and how many fields the root has is limited. */
function listRootFields(document: DocumentNode, { selections }: SelectionSetNode): string[] {
  return selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection.name.value]
    if (selection.kind === Kind.INLINE_FRAGMENT) return listRootFields(document, selection.selectionSet)
    const fragment = document.definitions.find(
      (one) => one.kind === Kind.FRAGMENT_DEFINITION && one.name.value === selection.name.value,
    )
    return fragment?.kind === Kind.FRAGMENT_DEFINITION ? listRootFields(document, fragment.selectionSet) : []
  })
}
