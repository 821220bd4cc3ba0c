import {
  buildASTSchema,
  buildSchema,
  type DefinitionNode,
  type DirectiveNode,
  type DocumentNode,
  findBreakingChanges,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  Kind,
  parse,
  visit,
} from 'graphql'

/** What clients are told about an element that will go: what takes its place, and until when they have time. */
const DEPRECATION_FORM = /^Use `([A-Za-z_]+)(?:\.([A-Za-z_]+))?`\. Removed after (\d{4}-\d\d-\d\d)\.$/

interface DeprecatedElement {
  /** Such as `ApiKey.start` or `Query.apiKeys(first)`. */
  readonly place: string
  /** The type that it is a part of. */
  readonly typeName: string
  readonly reason: string
}

/** Deprecated elements whose reason is not of the form `Use x. Removed after 2027-01-01.`, or names what there is not. */
export function findDeprecationFaults(schema: GraphQLSchema): string[] {
  return listDeprecated(schema)
    .filter(({ typeName, reason }) => !isGoodReason(schema, typeName, reason))
    .map(({ place, reason }) => `${place}: ${reason}`)
}

function isGoodReason(schema: GraphQLSchema, typeName: string, reason: string): boolean {
  const [, first = '', second, date = ''] = DEPRECATION_FORM.exec(reason) ?? []
  if (first === '' || Number.isNaN(Date.parse(date))) return false
  return second === undefined ? hasMember(schema, typeName, first) : hasMember(schema, first, second)
}

function hasMember(schema: GraphQLSchema, typeName: string, name: string): boolean {
  const type = schema.getType(typeName)
  if (isEnumType(type)) return type.getValue(name) !== undefined && type.getValue(name)?.deprecationReason == null
  if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) return false
  const field = type.getFields()[name]
  return field !== undefined && field.deprecationReason == null
}

function listDeprecated(schema: GraphQLSchema): DeprecatedElement[] {
  const found: DeprecatedElement[] = []
  const add = (typeName: string, place: string, reason: string | null | undefined) => {
    if (reason != null) found.push({ place: `${typeName}.${place}`, typeName, reason })
  }
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue
    if (isEnumType(type)) for (const value of type.getValues()) add(type.name, value.name, value.deprecationReason)
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) add(type.name, field.name, field.deprecationReason)
    }
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const field of Object.values(type.getFields())) {
      add(type.name, field.name, field.deprecationReason)
      for (const arg of field.args) add(type.name, `${field.name}(${arg.name})`, arg.deprecationReason)
    }
  }
  return found
}

/**
 * Changes that break a client of the released schema: everything in it must stay as it is but for what it said would go,
 * once the date that it named is over.
 */
export function findForbiddenChanges(released: string, current: GraphQLSchema, today: Date): string[] {
  const kept = buildASTSchema(dropUnreachable(dropExpired(parse(released), today)))
  return findBreakingChanges(kept, current).map(({ description }) => description)
}

function dropExpired(document: DocumentNode, today: Date): DocumentNode {
  const dropIfExpired = ({ directives }: { readonly directives?: readonly DirectiveNode[] }) =>
    isExpired(directives ?? [], today) ? null : undefined
  return visit(document, {
    FieldDefinition: dropIfExpired,
    InputValueDefinition: dropIfExpired,
    EnumValueDefinition: dropIfExpired,
  })
}

/** The day that is named is the last one. */
function isExpired(directives: readonly DirectiveNode[], today: Date): boolean {
  const reason = directives
    .filter(({ name }) => name.value === 'deprecated')
    .flatMap((directive) => directive.arguments ?? [])
    .find(({ name }) => name.value === 'reason')?.value
  const date = reason?.kind === Kind.STRING ? DEPRECATION_FORM.exec(reason.value)?.[3] : undefined
  return date !== undefined && today.toISOString().slice(0, 10) > date
}

/** A type that only removed fields led to goes with them. */
function dropUnreachable(document: DocumentNode): DocumentNode {
  const definitions = new Map<string, DefinitionNode>()
  for (const definition of document.definitions) {
    if ('name' in definition && definition.name !== undefined) definitions.set(definition.name.value, definition)
  }
  const reached = new Set<string>()
  const open = ['Query', 'Mutation', 'Subscription']
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const definition = definitions.get(name)
    if (definition === undefined || reached.has(name)) continue
    reached.add(name)
    open.push(...namesIn(definition), ...implementersOf(name, document))
  }
  return { ...document, definitions: [...reached].flatMap((name) => definitions.get(name) ?? []) }
}

function namesIn(definition: DefinitionNode): string[] {
  const names: string[] = []
  visit(definition, { NamedType: ({ name }) => void names.push(name.value) })
  return names
}

function implementersOf(interfaceName: string, { definitions }: DocumentNode): string[] {
  return definitions.flatMap((definition) =>
    definition.kind === Kind.OBJECT_TYPE_DEFINITION &&
    definition.interfaces?.some(({ name }) => name.value === interfaceName)
      ? [definition.name.value]
      : [],
  )
}

/** For planted faults. */
export function schemaOf(text: string): GraphQLSchema {
  return buildSchema(text)
}
