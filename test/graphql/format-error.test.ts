import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { createYoga } from 'graphql-yoga'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/errors/catalogue.ts'
import { KeywardError, validationFailed } from '../../src/errors/keyward-error.ts'
import { errorFormat } from '../../src/graphql/format-error.ts'
import { toExpectedError } from '../../src/graphql/user-errors.ts'

const REQUEST_ID = 'r-1'

/** The answer of a server whose only field throws. */
async function answerOf(thrown: unknown) {
  const logged: unknown[] = []
  const yoga = createYoga<{ requestId: string }>({
    schema: new GraphQLSchema({
      query: new GraphQLObjectType({
        name: 'Query',
        fields: {
          fails: {
            type: GraphQLString,
            resolve() {
              throw thrown
            },
          },
        },
      }),
    }),
    logging: false,
    maskedErrors: false,
    plugins: [
      errorFormat({
        logger: { error: (...args: unknown[]) => logged.push(args) },
        isUnavailable: (error) => error instanceof Error && error.message === 'the database is away',
        isGone: (error) => error instanceof Error && error.message === 'the row is gone',
      }),
    ],
  })
  const response = await yoga.fetch(
    'http://localhost/graphql',
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"query":"{ fails }"}' },
    { requestId: REQUEST_ID },
  )
  const { errors } = (await response.json()) as { errors: { message: string; extensions: Record<string, unknown> }[] }
  return { ...errors[0], logged }
}

test.each(ERROR_CODES)(
  'a failure with the code %s is told with its text and its code, wherever it is thrown',
  async (code) => {
    const { message, extensions, logged } = await answerOf(new KeywardError(code, 'For callers.'))
    const requestId = code === 'INTERNAL' ? { requestId: REQUEST_ID } : {}
    expect({ message, extensions }).toEqual({ message: 'For callers.', extensions: { code, ...requestId } })
    expect(logged).toHaveLength(code === 'INTERNAL' ? 1 : 0)
  },
)

test('a failure that callers can expect is told at the top level where the result does not name it', async () => {
  const error = validationFailed([{ path: ['input', 'name'], detail: 'is wrong' }])
  const { message, extensions, logged } = await answerOf(toExpectedError(error))
  expect({ message, extensions }).toEqual({
    message: 'input.name: is wrong',
    extensions: { code: 'VALIDATION_FAILED', issues: [{ path: ['input', 'name'], detail: 'is wrong' }] },
  })
  expect(logged).toEqual([])
})

test('a database that is away is told as such, and when to come again', async () => {
  expect(await answerOf(new Error('the database is away'))).toMatchObject({
    message: 'The database cannot be reached right now.',
    extensions: { code: 'UNAVAILABLE', retryAfterSeconds: 1 },
    logged: [],
  })
})

test('what was deleted while it was being read is told as not being there', async () => {
  expect(await answerOf(new Error('the row is gone'))).toMatchObject({
    message: 'What was asked for has just been deleted.',
    extensions: { code: 'NOT_FOUND' },
    logged: [],
  })
})

test.each([
  ['an error', new Error('secret of ours')],
  ['a text', 'secret of ours'],
  ['an object', { secret: 'secret of ours' }],
  ['nothing', undefined],
])('%s that nobody planned is not quoted, and logged with the id of the request', async (_, thrown) => {
  const { message, extensions, logged } = await answerOf(thrown)
  expect({ message, extensions }).toEqual({
    message: 'The cause is in the log, under the id of this request.',
    extensions: { code: 'INTERNAL', requestId: REQUEST_ID },
  })
  expect(logged).toMatchObject([[{ requestId: REQUEST_ID }, 'A GraphQL request failed.']])
})
