import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from 'graphql'
import { describe, expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/errors/catalogue.ts'
import { schema } from '../../src/schema.ts'

const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'))
const objects = types.filter(isObjectType)

/** Everything that people read about, by where it is. */
function describeAll(): [place: string, description: string | null | undefined][] {
  const standard = new Set(['String', 'Int', 'Float', 'Boolean', 'ID'])
  return types
    .filter(({ name }) => !standard.has(name))
    .flatMap((type) => [[type.name, type.description], ...describeParts(type)] as [string, string | null | undefined][])
}

function describeParts(type: GraphQLNamedType): [string, string | null | undefined][] {
  if (isEnumType(type)) return type.getValues().map((value) => [`${type.name}.${value.name}`, value.description])
  if (isInputObjectType(type)) {
    return Object.values(type.getFields()).map((field) => [`${type.name}.${field.name}`, field.description])
  }
  if (!isObjectType(type) && !isInterfaceType(type)) return []
  return Object.values(type.getFields()).flatMap((field) => [
    [`${type.name}.${field.name}`, field.description],
    ...field.args.map((arg) => [`${type.name}.${field.name}(${arg.name})`, arg.description] as [string, string]),
  ])
}

test('every type, field, argument, input field and enum value says what it is', () => {
  const all = describeAll()
  expect(all.length).toBeGreaterThan(200)
  expect(all.filter(([, description]) => !description?.trim()).map(([place]) => place)).toEqual([])
})

test('descriptions are sentences, and say nothing of how the server is made', () => {
  for (const [place, description = ''] of describeAll()) {
    expect({ place, description }).toEqual({ place, description: expect.stringMatching(/^[A-Z`[\d].*[.`]$/s) })
    expect({ place, description }).toEqual({
      place,
      description: expect.not.stringMatching(/prisma|postgres|column|TODO/i),
    })
  }
})

const FOR_EVERYBODY = ['sessionCreate', 'sessionRefresh', 'userRegister', 'passwordReset', 'invitationAccept']

describe.each(Object.values(schema.getMutationType()?.getFields() ?? {}))('the mutation $name', (field) => {
  test('answers with a union of one payload and the failures that a caller can expect', () => {
    const type = getNamedType(field.type)
    expect(isUnionType(type)).toBe(true)
    if (!isUnionType(type)) return
    const name = field.name.charAt(0).toUpperCase() + field.name.slice(1)
    expect(type.name).toBe(`${name}Result`)
    const members = type.getTypes()
    const errors = members.filter((member) => member.getInterfaces().some((one) => one.name === 'UserError'))
    expect(errors.length).toBeGreaterThan(0)
    const payloads = members.filter((member) => !errors.includes(member)).map((member) => member.name)
    // What goes through many rows answers in one way, whatever the rows are.
    expect([[`${name}Payload`], ['BulkPayload']]).toContainEqual(payloads)
  })

  test('says which permission it takes, unless everybody may', () => {
    if (FOR_EVERYBODY.includes(field.name)) return
    expect(field.description).toMatch(/Requires (`[a-z:]+`|a session)/)
  })
})

test.each([schema.getQueryType(), schema.getMutationType()])(
  'a field of %s that fails takes no other with it',
  (type) => {
    const fields = Object.values(type?.getFields() ?? {})
    expect(fields.length).toBeGreaterThan(10)
    // A null that may not be goes up: the token of a key that was just made would be lost with the answer.
    expect(fields.filter((field) => isNonNullType(field.type)).map(({ name }) => name)).toEqual([])
  },
)

test('every failure that can be expected has a code of the catalogue', () => {
  const codes = schema.getType('UserErrorCode')
  if (!isEnumType(codes)) throw new Error('There is no such enum.')
  for (const { name } of codes.getValues()) expect(ERROR_CODES).toContain(name)
})

test('every type that is an expected failure is a member of some result', () => {
  const members = types.filter(isUnionType).flatMap((union) => union.getTypes().map(({ name }) => name))
  const failures = objects.filter((type) => type.getInterfaces().some(({ name }) => name === 'UserError'))
  expect(failures.length).toBeGreaterThan(3)
  for (const { name } of failures) expect(members).toContain(name)
})

function isList(type: GraphQLType): boolean {
  return isListType(isNonNullType(type) ? type.ofType : type)
}

function isPartOfConnection(type: GraphQLObjectType): boolean {
  return /Connection$/.test(type.name)
}

const inputs = types.filter(isInputObjectType)
const results = types.filter((type) => isObjectType(type) || isInterfaceType(type))

test('every list is part of a connection, or says how long it can be', () => {
  const unbounded = [...results, ...inputs]
    .filter((type) => !(isObjectType(type) && isPartOfConnection(type)))
    .flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => isList(field.type) && !/at most [\d,]+/.test(field.description ?? ''))
        // What an enum has no more of, and how deep arguments go, is bounded by the schema itself.
        .filter((field) => !(isInputObjectType(type) && isEnumType(getNamedType(field.type))) && field.name !== 'path')
        .map((field) => `${type.name}.${field.name}`),
    )
  // As many as there are fields in the input.
  expect(unbounded).toEqual(['ValidationError.issues'])
})

test('every text of an input says how long it can be', () => {
  const texts = (holder: string, { name, type, description }: GraphQLArgument | GraphQLInputField) =>
    getNamedType(type).name === 'String' && !isList(type) ? [{ place: `${holder}.${name}`, description }] : []
  const all = [
    ...inputs.flatMap((type) => Object.values(type.getFields()).flatMap((field) => texts(type.name, field))),
    ...objects.flatMap((type) =>
      Object.values(type.getFields()).flatMap((field) =>
        field.args.flatMap((arg) => texts(`${type.name}.${field.name}`, arg)),
      ),
    ),
  ]
  expect(all.length).toBeGreaterThan(15)
  const unbounded = all.filter(({ description }) => !/\d+ characters/.test(description ?? '')).map(({ place }) => place)
  // Cursors and tokens are as long as they were given out.
  expect(unbounded.filter((place) => !/\.(after|before|refreshToken|token)$/.test(place))).toEqual([])
})

test('every field that can be null says when it is', () => {
  const unexplained = results.flatMap((type) =>
    Object.values(type.getFields())
      .filter((field) => !isNonNullType(field.type) && !/\bnull\b/i.test(`${field.description} ${type.description}`))
      .map((field) => `${type.name}.${field.name}`),
  )
  expect(unexplained).toEqual([])
})

test('one apostrophe is like another', () => {
  expect(describeAll().filter(([, description]) => /[’‘“”]/.test(description ?? ''))).toEqual([])
})

const connections = objects.flatMap((type) =>
  Object.values(type.getFields())
    .filter((field) => isPartOfConnection(getNamedType(field.type) as GraphQLObjectType))
    .map((field) => ({ name: `${type.name}.${field.name}`, field })),
)

describe.each(connections)('the connection $name', ({ field }) => {
  test('takes the four arguments of a page, and costs by how many rows can come', () => {
    expect(field.args.map(({ name }) => name)).toEqual(expect.arrayContaining(['first', 'after', 'last', 'before']))
    const costOf = field.extensions.complexity
    if (typeof costOf !== 'function') throw new Error('The cost does not depend on the arguments.')
    expect(costOf({ first: 7 }, {}, field).multiplier).toBe(7)
    expect(costOf({ last: 9 }, {}, field).multiplier).toBe(9)
    expect(costOf({}, {}, field).multiplier).toBe(20)
    expect(costOf({ first: 1_000_000 }, {}, field).multiplier).toBe(100)
    expect(costOf({ first: -5 }, {}, field).multiplier).toBe(0)
  })

  test('has edges, nodes, a page info and a total', () => {
    const type = getNamedType(field.type) as GraphQLObjectType
    expect(Object.keys(type.getFields()).sort()).toEqual(['edges', 'nodes', 'pageInfo', 'totalCount'])
  })
})

test('there are connections at all', () => {
  expect(connections.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['Query.apiKeys', 'Query.tenants', 'Query.scopes']),
  )
})

test('no field is a hash, a password or a secret, but for one that is shown once', () => {
  const outputs = objects.flatMap((type) =>
    Object.values(type.getFields()).map((field: GraphQLField<unknown, unknown>) => `${type.name}.${field.name}`),
  )
  expect(outputs.filter((name) => /hash|password|sealed|secret$|jwk/i.test(name))).toEqual([
    'ApiKeyCreatePayload.signingSecret',
    // Named after what is changed; what they show is the person.
    'Mutation.passwordChange',
    'Mutation.passwordReset',
    'Mutation.userPasswordResetCreate',
    'PasswordChangePayload.user',
    'PasswordResetPayload.user',
    'UserPasswordResetCreatePayload.expiresAt',
    'UserPasswordResetCreatePayload.resetToken',
    'UserPasswordResetCreatePayload.resetUrl',
    'UserPasswordResetCreatePayload.user',
  ])
})

test('no update of the schema is forgotten: things with ids are nodes', () => {
  // The id of a row is that of what it stands for.
  const withId = objects.filter((type) => 'id' in type.getFields() && type.name !== 'BulkRow')
  for (const type of withId) expect(type.getInterfaces().map(({ name }) => name)).toContain('Node')
})
