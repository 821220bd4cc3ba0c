import {
  GraphQLError,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isScalarType,
  isSpecifiedScalarType,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { schema } from '../../src/schema.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send } from '../harness/client.ts'
import { seedAdmin } from '../harness/seed.ts'

/** A program that writes a list by writing what is in it runs out of stack long before. */
const LEVELS = 9_000

/** As JSON. `JSON` takes them all, and no other scalar any of them. */
const BAD_VALUES = ['{"toString":1}', '['.repeat(LEVELS) + ']'.repeat(LEVELS), '1.5', 'true', '"\\u0000"']
const BAD_LITERALS = ['{ toString: 1 }', '[[[[1]]]]', '1.5', 'true', 'NAME', '"\\u0000"']

/** Where an argument takes a scalar of ours: `steps` lead from the argument to it, `[]` through a list. */
interface Place {
  readonly scalar: string
  readonly operation: 'query' | 'mutation'
  readonly field: string
  readonly argument: string
  readonly steps: readonly string[]
}

const scalars = Object.values(schema.getTypeMap())
  .filter(isScalarType)
  .filter((type) => !isSpecifiedScalarType(type))
const refusing = scalars.filter(({ name }) => name !== 'JSON')
const roots = { query: schema.getQueryType(), mutation: schema.getMutationType() }
const places = [...findPlaces('query'), ...findPlaces('mutation')]

function* findPlaces(operation: Place['operation']): Generator<Place> {
  for (const field of Object.values(roots[operation]?.getFields() ?? {})) {
    for (const { name: argument, type } of field.args) {
      for (const [scalar, steps] of findScalars(type, [])) {
        yield { scalar, operation, field: field.name, argument, steps }
      }
    }
  }
}

function* findScalars(
  type: GraphQLInputType,
  steps: readonly string[],
): Generator<[scalar: string, steps: readonly string[]]> {
  if (isNonNullType(type)) yield* findScalars(type.ofType, steps)
  else if (isListType(type)) yield* findScalars(type.ofType, [...steps, '[]'])
  else if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) yield* findScalars(field.type, [...steps, field.name])
  } else if (isScalarType(type) && !isSpecifiedScalarType(type)) yield [type.name, steps]
}

/** Stands for the bad value until all is JSON: a deep list cannot be written by `JSON.stringify` either. */
const MARK = 'the bad value'

/** A value that is good, but for the mark at the end of the steps. */
function fill(type: GraphQLInputType, name: string, steps: readonly string[] | null): unknown {
  if (isNonNullType(type)) return fill(type.ofType, name, steps)
  if (steps?.length === 0) return MARK
  const [step, ...rest] = steps ?? []
  if (isListType(type)) return steps === null ? [] : [fill(type.ofType, name, rest)]
  if (isEnumType(type)) return type.getValues()[0]?.name
  if (!isInputObjectType(type)) return goodValues[name] ?? goodValues[type.name] ?? 'x'
  const fields = Object.values(type.getFields()).filter((field) => field.name === step || isNonNullType(field.type))
  return Object.fromEntries(
    fields.map((field) => [field.name, fill(field.type, field.name, field.name === step ? rest : null)]),
  )
}

let app: TestApp
let accessToken: string
/** By the name of the argument or field, or else by its type. */
let goodValues: Record<string, unknown>

beforeAll(async () => {
  app = await startTestApp()
  const admin = await seedAdmin(app)
  accessToken = admin.accessToken
  const tenant = await admin.tenant()
  const { apiKeyId } = await tenant.key()
  goodValues = {
    id: apiKeyId,
    tenantId: tenant.tenantId,
    Int: 1,
    Float: 1,
    EmailAddress: 'a@example.com',
    TimeZone: 'UTC',
    LocalTime: '09:30',
    DateTime: '2030-01-01T00:00:00.000Z',
  }
})
afterAll(() => app.stop())

function withVariable({ operation, field, argument, steps }: Place, json: string): string {
  const { args = [], type } = roots[operation]?.getFields()[field] ?? {}
  const used = args.filter(({ name, type }) => name === argument || isNonNullType(type))
  const declared = used.map(({ name, type }) => `$${name}: ${type}`).join(', ')
  const passed = used.map(({ name }) => `${name}: $${name}`).join(', ')
  const selection = type && !isScalarType(getNamedType(type)) ? '{ __typename }' : ''
  const query = `${operation} (${declared}) { ${field}(${passed}) ${selection} }`
  const variables = Object.fromEntries(
    used.map(({ name, type }) => [name, fill(type, name, name === argument ? steps : null)]),
  )
  return JSON.stringify({ query, variables }).replace(JSON.stringify(MARK), () => json)
}

/** Whatever else is missing is told beside it. */
function withLiteral({ operation, field, argument, steps }: Place, literal: string): string {
  const value = steps.reduceRight((inner, step) => (step === '[]' ? `[${inner}]` : `{ ${step}: ${inner} }`), literal)
  return JSON.stringify({ query: `${operation} { ${field}(${argument}: ${value}) }` })
}

interface Answer {
  readonly status: number
  readonly errors: readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
}

async function ask(body: string, token: string | null): Promise<Answer> {
  const { status, text } = await send(app, '/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token !== null && { authorization: `Bearer ${token}` }),
    },
    body,
  })
  const { errors = [] }: Partial<Answer> = JSON.parse(text)
  return { status, errors }
}

test('every scalar that is not of GraphQL itself is asked here', () => {
  expect(scalars.map(({ name }) => name)).toEqual(expect.arrayContaining(['EmailAddress', 'JSON', 'SafeInt', 'URL']))
  expect(places.length).toBeGreaterThan(25)
})

test.each(refusing)('the scalar $name refuses what it does not take in words that quote nothing', (scalar) => {
  for (const json of BAD_VALUES) {
    expect(() => scalar.parseValue(JSON.parse(json))).toThrow(GraphQLError)
    expect(() => scalar.parseValue(JSON.parse(json))).toThrow(/^Expected .*\.$/)
  }
})

describe.each(places.filter(({ scalar }) => scalar !== 'JSON'))('$scalar in $field, $argument $steps', (place) => {
  test('whoever sends another value is told where it is and what is expected', async () => {
    for (const json of BAD_VALUES) {
      for (const token of [null, accessToken]) {
        const { status, errors } = await ask(withVariable(place, json), token)
        expect({ status, errors }).toMatchObject({
          status: 400,
          errors: [{ message: expect.stringMatching(/; Expected .*\.$/s), extensions: { code: 'QUERY_INVALID' } }],
        })
      }
    }
  })

  test('whoever writes another value into the document is told what is expected', async () => {
    for (const literal of BAD_LITERALS) {
      const { status, errors } = await ask(withLiteral(place, literal), null)
      expect(status).toBe(400)
      expect(errors.map(({ message }) => message)).toContainEqual(expect.stringMatching(/^Expected .*\.$/))
      expect(errors.filter(({ extensions }) => extensions.code !== 'QUERY_INVALID')).toEqual([])
    }
  })
})

test.each(places.filter(({ scalar }) => scalar === 'JSON'))(
  'JSON in $field, $argument $steps, may be anything: it is taken or refused, and nothing of ours fails',
  async (place) => {
    for (const json of BAD_VALUES) {
      for (const token of [null, accessToken]) {
        const { status, errors } = await ask(withVariable(place, json), token)
        expect(status).toBeLessThan(500)
        expect(errors.filter(({ extensions }) => /^(INTERNAL|UNAVAILABLE)$/.test(extensions.code))).toEqual([])
      }
    }
  },
)
