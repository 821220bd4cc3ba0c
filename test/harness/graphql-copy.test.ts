import { GraphQLSchema, graphqlSync } from 'graphql'
import { createSchema } from 'graphql-yoga'
import { expect, test } from 'vitest'

test('tests and libraries share one copy of graphql', () => {
  const schema = createSchema({ typeDefs: 'type Query { answer: Int }' })
  expect(schema).toBeInstanceOf(GraphQLSchema)
  expect(graphqlSync({ schema, source: '{ answer }', rootValue: { answer: 42 } }).data).toEqual({ answer: 42 })
})
