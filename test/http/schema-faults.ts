import type { OpenApiDocument, Schema, SchemaType } from '../../src/http/openapi-document.ts'

/** Where a value is not what a schema of the document says. Knows the keywords that the document uses. */
export function findSchemaFaults(document: OpenApiDocument, schema: Schema, value: unknown, at = '#'): string[] {
  if (schema.$ref !== undefined) return findSchemaFaults(document, resolveRef(document, schema.$ref), value, at)
  const faults: string[] = []
  const fault = (text: string): void => void faults.push(`${at}: ${text}`)
  if (schema.oneOf !== undefined) {
    const matching = schema.oneOf.filter((option) => findSchemaFaults(document, option, value).length === 0)
    if (matching.length !== 1) fault(`matches ${matching.length} of ${schema.oneOf.length}`)
  }
  if (schema.const !== undefined && value !== schema.const) fault(`is not ${schema.const}`)
  if (schema.enum !== undefined && !schema.enum.includes(value)) fault(`${String(value)} is none of the list`)
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length > 0 && !types.some((type) => isOfType(type, value))) fault(`is not ${types.join(' or ')}`)
  if (typeof value === 'string') {
    if (schema.maxLength !== undefined && value.length > schema.maxLength) fault('is too long')
    if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))
      fault(`does not match ${schema.pattern}`)
  }
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) fault('is too small')
    if (schema.maximum !== undefined && value > schema.maximum) fault('is too large')
  }
  if (Array.isArray(value)) {
    if (schema.maxItems !== undefined && value.length > schema.maxItems) fault('has too many entries')
    for (const [index, item] of value.entries()) {
      if (schema.items) faults.push(...findSchemaFaults(document, schema.items, item, `${at}/${index}`))
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const name of schema.required ?? []) if (!(name in value)) fault(`lacks ${name}`)
    for (const [name, member] of Object.entries(value)) {
      const known = schema.properties?.[name]
      const rest = schema.additionalProperties
      if (known !== undefined) faults.push(...findSchemaFaults(document, known, member, `${at}/${name}`))
      else if (rest === false) fault(`has ${name}`)
      else if (typeof rest === 'object') faults.push(...findSchemaFaults(document, rest, member, `${at}/${name}`))
    }
  }
  return faults
}

export function resolveRef(document: OpenApiDocument, reference: string): Schema {
  const [, name = ''] = /^#\/components\/schemas\/(\w+)$/.exec(reference) ?? []
  const schema = document.components.schemas[name]
  if (schema === undefined) throw new Error(`${reference} leads nowhere.`)
  return schema
}

function isOfType(type: SchemaType, value: unknown): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}
