import { createServer } from 'node:http'
import { createSchema, createYoga } from 'graphql-yoga'

/**
 * The yardstick of the control plane: one field without work behind it, through the same libraries. What a field of ours
 * costs beyond it is ours, and PostgreSQL's. Prints its address.
 */
const yoga = createYoga({
  schema: createSchema({
    typeDefs: 'type Query { hello: String! }',
    resolvers: { Query: { hello: () => 'world' } },
  }),
  graphiql: false,
  landingPage: false,
  logging: false,
})
const server = createServer(yoga)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') process.stdout.write(`http://127.0.0.1:${address?.port}\n`)
})
process.on('SIGTERM', () => process.exit())
