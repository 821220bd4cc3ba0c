import {
  type GraphQLField,
  type GraphQLNamedType,
  getNamedType,
  isAbstractType,
  isLeafType,
  isObjectType,
} from 'graphql'
import { schema } from '../../src/schema.ts'

/**
 * Ways down from a type, each as a selection set without its braces: through every field that can be asked for without
 * arguments, to so many levels below. `each`: one way for each leaf. `together`: one for each object, with all its leaves.
 */
export function listSelections(
  type: GraphQLNamedType,
  levels: number,
  leaves: 'each' | 'together',
  above: readonly GraphQLNamedType[] = [],
): string[] {
  if (isAbstractType(type)) {
    return schema
      .getPossibleTypes(type)
      .flatMap((one) => listSelections(one, levels, leaves, above).map((inner) => `... on ${one.name} { ${inner} }`))
  }
  if (!isObjectType(type)) throw new Error(`${type.name} has no fields.`)
  // A type that leads to itself by way of others is gone through twice.
  if (above.filter((one) => one === type).length > 1) return []
  const fields = Object.values(type.getFields()).filter(isAskedWithout)
  const own = ['__typename', ...fields.filter(isLeaf).map(({ name }) => name)]
  const below = levels === 0 ? [] : fields.filter((field) => !isLeaf(field))
  return [
    ...(leaves === 'each' ? own : [own.join(' ')]),
    ...below.flatMap((field) => {
      const inner = listSelections(getNamedType(field.type), levels - 1, leaves, [...above, type])
      return inner.map((selection) => `${field.name} { ${selection} }`)
    }),
  ]
}

function isAskedWithout({ args }: GraphQLField<unknown, unknown>): boolean {
  return args.every((arg) => !String(arg.type).endsWith('!'))
}

function isLeaf({ type }: GraphQLField<unknown, unknown>): boolean {
  return isLeafType(getNamedType(type))
}

/** Documents that ask `field` for each selection by itself, many in one request. */
export function* documentsOf(field: string, selections: readonly string[], perDocument: number): Generator<string> {
  for (let first = 0; first < selections.length; first += perDocument) {
    const asked = selections.slice(first, first + perDocument)
    yield `{ ${asked.map((selection, at) => `at${first + at}: ${field} { ${selection} }`).join(' ')} }`
  }
}
