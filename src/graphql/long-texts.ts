import {
  type GraphQLSchema,
  GraphQLString,
  type GraphQLType,
  getNamedType,
  getOperationAST,
  isInputObjectType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { SentText, SharedBytes } from './large-body.ts'

/**
 * A text of megabytes that came in a large body. In the variables something else stands for it: a text that is as long, takes
 * no memory, and says nothing. So GraphQL finds a string where it wants one, fields that take short texts refuse it for
 * its length as they would refuse the text, and who can do with bytes finds them by what stands for them.
 *
 * The text itself would be tens of megabytes of the memory in which garbage is collected while verifications wait.
 */
export interface LongText extends SentText {
  readonly standIn: string
}

/** Puts into the variables what stands for each text. */
export function placeStandIns(variables: unknown, sent: readonly SentText[]): readonly LongText[] {
  const lengths = new Set<number>()
  return sent.map((text) => {
    // No two of a request are of one length, so that they are told apart without being looked into.
    let length = text.characters
    while (lengths.has(length)) length++
    lengths.add(length)
    const standIn = FILLER.repeat(length)
    putAt(variables, text.path, standIn)
    return { ...text, standIn }
  })
}

/** Every rule of what texts may hold allows it, so that the length alone is what is wrong. */
const FILLER = 'x'

/** The bytes of the text that something stands for; null for a text that is itself. */
export function findBytes(longTexts: readonly LongText[], text: string | null | undefined): SharedBytes | null {
  return longTexts.find(({ standIn }) => standIn === text)?.bytes ?? null
}

/** Puts texts back where a field takes whatever JSON there is: nobody knows what it does with them. */
export function restoreTextsInJson(): Plugin<{ readonly longTexts: readonly LongText[] }> {
  return {
    onExecute({ args: { schema, document, operationName, variableValues, contextValue } }) {
      const operation = getOperationAST(document, operationName)
      if (!operation) return
      for (const { path, bytes } of contextValue.longTexts) {
        if (!isText(schema, operation, path)) putAt(variableValues, path, Buffer.from(bytes.buffer).toString('utf8'))
      }
    },
  }
}

/** Whether the schema wants a string in this place of the variables, and nothing else. */
function isText(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  [first, ...path]: readonly string[],
): boolean {
  const definition = operation.variableDefinitions?.find(({ variable }) => variable.name.value === first)
  let type: GraphQLType | undefined = definition && typeFromAST(schema, definition.type)
  for (const name of path) {
    const named = type && getNamedType(type)
    type = isInputObjectType(named) ? named.getFields()[name]?.type : undefined
  }
  return type !== undefined && getNamedType(type) === GraphQLString
}

function putAt(value: unknown, path: readonly string[], text: string): void {
  const last = path.at(-1)
  let place = value
  for (const name of path.slice(0, -1)) place = isObject(place) && Object.hasOwn(place, name) ? place[name] : undefined
  if (last !== undefined && isObject(place) && Object.hasOwn(place, last)) place[last] = text
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
