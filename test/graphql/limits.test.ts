import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { type GraphQLAnswer, send, sendGraphQL } from '../harness/client.ts'
import { seedAdmin } from '../harness/seed.ts'

let app: TestApp
let accessToken: string
let tenantId: string

beforeAll(async () => {
  app = await startTestApp()
  const admin = await seedAdmin(app)
  accessToken = admin.accessToken
  tenantId = (await admin.tenant()).tenantId
})
afterAll(() => app.stop())

type Variables = Record<string, unknown>

function ask(document: string, variables: Variables = {}): Promise<GraphQLAnswer<Variables>> {
  return sendGraphQL<Variables, Variables>(app, document, variables, accessToken)
}

/** Refused before anything was executed, and so without `data` and with a status of its own. */
async function expectTooComplex(document: string, message: RegExp, variables: Variables = {}): Promise<void> {
  const before = app.statements.length
  const { status, text } = await send(app, '/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      authorization: `Bearer ${accessToken}`,
    },
    body: JSON.stringify({ query: document, variables }),
  })
  const answer = JSON.parse(text)
  expect(answer.errors[0]).toMatchObject({
    message: expect.stringMatching(message),
    extensions: { code: 'QUERY_TOO_COMPLEX' },
  })
  expect(answer).not.toHaveProperty('data')
  expect(status).toBe(400)
  const ownStatements = app.statements.slice(before).filter((sql) => !/"sessions"|usage/.test(sql))
  expect(ownStatements).toEqual([])
}

/** `{ viewer { ... { … } } }` with that many levels of fields. */
function nest(levels: number): string {
  const inner = Array.from({ length: levels - 2 }, (_, level) => (level % 2 === 0 ? 'memberships {' : 'user {'))
  return `{ viewer { ... on User { ${inner.join(' ')} __typename ${'}'.repeat(inner.length)} } } }`
}

describe('depth', () => {
  test('of 15 levels is allowed as such, of 16 is not', async () => {
    // The lists on the way cost too much before the depth does, which is another limit.
    expect((await ask(nest(5))).errors).toEqual([])
    await expectTooComplex(nest(16), /^The operation has 16 levels; at most 15 are allowed\.$/)
  })

  test('counts through fragments', async () => {
    const fragments = Array.from(
      { length: 20 },
      (_, index) => `fragment F${index} on User { memberships { user { ...F${index + 1} } } }`,
    )
    const document = `{ viewer { ...F0 } } ${fragments.join(' ')} fragment F20 on User { id }`
    await expectTooComplex(document, /levels; at most 15/)
  })

  test('counts in introspection as everywhere else', async () => {
    const document = `{ __schema { types { ${'ofType { '.repeat(20)} name ${'} '.repeat(20)} } } }`
    await expectTooComplex(document, /levels; at most 15/)
  })
})

describe('aliases', () => {
  const aliased = (count: number) =>
    `{ viewer { ... on User { ${Array.from({ length: count }, (_, index) => `a${index}: id`).join(' ')} } } }`

  test('up to 30 are allowed', async () => {
    expect((await ask(aliased(30))).errors).toEqual([])
    await expectTooComplex(aliased(31), /^The operation has 31 aliases; at most 30 are allowed\.$/)
  })

  test('count each time that the fragment they are in is spread', async () => {
    const spreads = 'viewer { ...F ...G } '
    const fragment = (name: string) =>
      `fragment ${name} on User { ${Array.from({ length: 16 }, (_, index) => `${name}${index}: id`).join(' ')} }`
    await expectTooComplex(`{ ${spreads} } ${fragment('F')} ${fragment('G')}`, /32 aliases/)
  })
})

test('tokens are limited to 2000', async () => {
  const numbers = (count: number) => `mutation {
    apiKeyCreate(input: { tenantId: "x", name: "x", environment: TEST, metadata: { a: [${'1 '.repeat(count)}] } }) { __typename }
  }`
  expect((await ask(numbers(1950))).errors).toEqual([])
  await expectTooComplex(numbers(2000), /more than 2000 tokens; at most that many are allowed/)
})

test('a document that is long and has a mistake is told its mistake', async () => {
  const { status, errors } = await ask(`{ ${'id '.repeat(1000)}`)
  expect({ status, errors }).toMatchObject({
    status: 400,
    errors: [{ message: expect.stringMatching(/^Syntax Error/), extensions: { code: 'QUERY_INVALID' } }],
  })
})

test('characters are limited to 50,000', async () => {
  await expectTooComplex(`{ __typename } # ${'x'.repeat(50_000)}`, /characters; at most 50000/)
  expect((await ask(`{ __typename } # ${'x'.repeat(49_000)}`)).errors).toEqual([])
})

describe('fields at the root', () => {
  const roots = (count: number) =>
    `{ ${Array.from({ length: count }, (_, index) => `a${index}: __typename`).join(' ')} }`

  test('up to 20 are allowed', async () => {
    expect((await ask(roots(20))).errors).toEqual([])
    await expectTooComplex(roots(21), /^The operation has 21 fields at its root; at most 20 are allowed\.$/)
  })

  test('count through fragments', async () => {
    const fields = (prefix: string) =>
      Array.from({ length: 11 }, (_, index) => `${prefix}${index}: __typename`).join(' ')
    const document = `{ ...A ... on Query { ${fields('b')} } } fragment A on Query { ${fields('a')} }`
    await expectTooComplex(document, /22 fields at its root/)
  })

  test('bound how many changes one request can make', async () => {
    const logins = Array.from({ length: 21 }, (_, index) => `a${index}: sessionEnd { __typename }`).join(' ')
    await expectTooComplex(`mutation { ${logins} }`, /21 fields at its root/)
  })
})

describe('cost', () => {
  const document = `query ($tenantId: ID!, $first: Int, $last: Int) {
    apiKeys(tenantId: $tenantId, first: $first, last: $last) {
      nodes { createdBy { ... on User { memberships { role createdAt tenant { id name slug status } user { id email name } } } } }
    }
  }`

  test('grows with the size of the page, also when that is a variable', async () => {
    expect((await ask(document, { tenantId, first: 10 })).errors).toEqual([])
    await expectTooComplex(document, /^The operation costs \d+ points, .* at most 20000 are allowed\.$/, {
      tenantId,
      first: 100,
    })
    await expectTooComplex(document, /costs/, { tenantId, last: 100 })
  })

  test('is that of the operation which is executed', async () => {
    const cheap = 'query Cheap { viewer { __typename } }'
    const dear = document.replace('query (', 'query Dear (')
    for (const both of [`${cheap} ${dear}`, `${dear} ${cheap}`]) {
      const run = (operationName: string) =>
        send(app, '/graphql', {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${accessToken}`,
            accept: 'application/graphql-response+json',
          },
          body: JSON.stringify({ query: both, operationName, variables: { tenantId, first: 100 } }),
        })
      expect((await run('Cheap')).status).toBe(200)
      expect((await run('Dear')).status).toBe(400)
    }
  })

  test('counts the default of a variable', async () => {
    await expectTooComplex(document.replace('$first: Int', '$first: Int = 100'), /costs/, { tenantId })
  })

  test('leaves variables that are not valid to who says what is wrong with them', async () => {
    const { status, errors } = await ask(document, { tenantId, first: 'many' })
    expect({ status, errors }).toMatchObject({
      status: 400,
      errors: [{ message: expect.stringContaining('$first'), extensions: { code: 'QUERY_INVALID' } }],
    })
  })

  test('is added up over all fields of the root', async () => {
    const field = (alias: string) =>
      `${alias}: apiKeys(tenantId: $tenantId, first: 100) { nodes { id name status scopes start requestCount secrets { start } tenant { id name } } }`
    const many = Array.from({ length: 20 }, (_, index) => field(`a${index}`)).join(' ')
    await expectTooComplex(`query ($tenantId: ID!) { ${many} }`, /costs/, { tenantId })
  })

  test('of a page of keys as a dashboard asks for it is allowed', async () => {
    const dashboard = `query ($tenantId: ID!) {
      apiKeys(tenantId: $tenantId, first: 100) {
        totalCount pageInfo { hasNextPage endCursor }
        edges { cursor node {
          id version name description start environment status ownerId scopes metadata expiresAt disabledAt revokedAt
          revokedReason createdAt updatedAt lastUsedAt requestCount secrets { start state createdAt expiresAt }
          tenant { id slug name } createdBy { __typename ... on User { id email } ... on ApiKey { id name } }
        } }
      }
    }`
    expect((await ask(dashboard, { tenantId })).errors).toEqual([])
  })
})

describe('fragments', () => {
  test('that spread each other in a circle are refused', async () => {
    const { status, errors } = await ask('{ viewer { ...A } } fragment A on User { ...B } fragment B on User { ...A }')
    expect({ status, code: errors[0]?.extensions.code }).toEqual({ status: 400, code: 'QUERY_INVALID' })
  })

  test('that spread themselves are refused', async () => {
    const { status } = await ask('{ viewer { ...A } } fragment A on User { memberships { user { ...A } } }')
    expect(status).toBe(400)
  })

  test('that double at each of a hundred steps are refused at once rather than followed', async () => {
    const fragments = Array.from(
      { length: 100 },
      (_, index) => `fragment F${index} on User { ...F${index + 1} ...F${index + 1} }`,
    )
    const document = `{ viewer { ...F0 } } ${fragments.join(' ')} fragment F100 on User { a: id b: email }`
    await expectTooComplex(document, /aliases/)
  })

  test('that double below fields at each step are refused at once too', async () => {
    const fragments = Array.from({ length: 60 }, (_, index) => {
      const next = `F${index + 1}`
      return `fragment F${index} on User { memberships { user { ...${next} } tenant { id } user { ...${next} } } }`
    })
    await expectTooComplex(`{ viewer { ...F0 } } ${fragments.join(' ')} fragment F60 on User { id }`, /levels/)
  })

  test('that nobody defined are refused', async () => {
    expect((await ask('{ viewer { ...Nowhere } }')).errors[0]?.extensions.code).toBe('QUERY_INVALID')
  })
})

describe('what is wrong with a document', () => {
  test('is listed up to 100 times, and then it is said that there is more', async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, index) => `nowhere${index}`).join(' ')
    const hundred = await ask(`{ viewer { ... on User { ${fields(100)} } } }`)
    expect(new Set(hundred.errors.map(({ extensions }) => extensions.code))).toEqual(new Set(['QUERY_INVALID']))
    expect(hundred.errors).toHaveLength(100)

    const { status, errors } = await ask(`{ viewer { ... on User { ${fields(102)} } } }`)
    expect(status).toBe(400)
    expect(errors).toHaveLength(101)
    expect(errors.at(-1)).toMatchObject({
      message: 'The document has more faults than the 100 that are listed here.',
      extensions: { code: 'TOO_MANY_ERRORS' },
    })
  })

  test('is not looked for where fields are selected so often that comparing them would take for ever', async () => {
    await expectTooComplex(`{ viewer { ... on User { ${'id '.repeat(990)} } } }`, /select each one once/)
  })
})

describe('introspection', () => {
  test.each([
    [
      'as GraphiQL sends it',
      {
        schemaDescription: true,
        inputValueDeprecation: true,
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        oneOf: true,
      },
    ],
    ['as others send it', {}],
  ])('%s passes all limits', async (_, options) => {
    const { status, data, errors } = await ask(getIntrospectionQuery(options))
    expect({ status, errors }).toEqual({ status: 200, errors: [] })
    expect(data).toHaveProperty('__schema')
  })

  test('that goes round in circles is refused', async () => {
    const { errors } = await ask(
      '{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }',
    )
    expect(errors[0]?.extensions.code).toBe('QUERY_INVALID')
  })
})

test('a refusal is the same the second time, when the document is remembered', async () => {
  const first = await ask(nest(16))
  const second = await ask(nest(16))
  expect(second).toMatchObject({ status: first.status, errors: first.errors })
})

test('what is refused is said under 200 to who accepts plain JSON, as the specification has it', async () => {
  const { status, text } = await send(app, '/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query: nest(16) }),
  })
  expect(status).toBe(200)
  expect(JSON.parse(text).errors[0].extensions.code).toBe('QUERY_TOO_COMPLEX')
})
