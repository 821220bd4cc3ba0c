import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type DocumentNode,
  isEnumType,
  isInputObjectType,
  isRequiredInputField,
  isScalarType,
  Kind,
  parse,
  print,
  validate,
  visit,
} from 'graphql'
import { describe, expect, test } from 'vitest'
import { schema } from '../../src/schema.ts'

/** What others send, and what must stay valid whatever becomes of the schema. */
function read(file: string): DocumentNode {
  return parse(readFileSync(join(import.meta.dirname, '../contract', file), 'utf8'))
}

describe('the documents that others send', () => {
  const document = read('core.graphql')

  test('are valid', () => {
    expect(document.definitions.length).toBeGreaterThan(9)
    expect(validate(schema, document).map(({ message }) => message)).toEqual([])
  })

  test('are one operation each, with a name', () => {
    const operations = document.definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION)
    const names = operations.map(({ name }) => name?.value)
    expect(new Set(names).size).toBe(operations.length)
    expect(names).not.toContain(undefined)
  })
})

const inputs = read('inputs.graphql')

test('the list of inputs that others send holds all that they are made of', () => {
  const listed = new Set<string>()
  const used = new Set<string>()
  visit(inputs, {
    InputObjectTypeDefinition: ({ name }) => void listed.add(name.value),
    EnumTypeDefinition: ({ name }) => void listed.add(name.value),
    NamedType: ({ name }) => void used.add(name.value),
  })
  expect([...used].filter((name) => !isScalarType(schema.getType(name)) && !listed.has(name))).toEqual([])
})

describe.each(inputs.definitions.map((definition) => ({ definition })))('inputs that others send', ({ definition }) => {
  test(print(definition).split(' {')[0] ?? '', () => {
    if (definition.kind === Kind.ENUM_TYPE_DEFINITION) {
      const type = schema.getType(definition.name.value)
      if (!isEnumType(type)) throw new Error('There is no such enum.')
      const values = type.getValues().map(({ name }) => name)
      for (const { name } of definition.values ?? []) expect(values).toContain(name.value)
      return
    }
    if (definition.kind !== Kind.INPUT_OBJECT_TYPE_DEFINITION) throw new Error('Only inputs and enums are listed.')
    const type = schema.getType(definition.name.value)
    if (!isInputObjectType(type)) throw new Error('There is no such input.')
    const fields = type.getFields()
    const promised = new Set<string>()
    for (const field of definition.fields ?? []) {
      promised.add(field.name.value)
      expect(fields[field.name.value]?.type.toString()).toBe(print(field.type))
    }
    // More fields are welcome, more required ones would refuse what is sent today.
    expect(Object.values(fields).filter((field) => isRequiredInputField(field) && !promised.has(field.name))).toEqual(
      [],
    )
  })
})
