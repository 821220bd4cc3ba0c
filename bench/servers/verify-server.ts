import { createRequestNamer } from '../../src/http/request-id.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { createLogger } from '../../src/lib/logger.ts'
import { systemRandomBytes } from '../../src/lib/random.ts'
import { createBenchDataPlane } from '../bench-data-plane.ts'

/**
 * The data plane as the product serves it, over keys in memory instead of a database, so that it is the server that is
 * measured and not PostgreSQL, which would take its part of the same processors. Prints its address.
 */
const logger = await createLogger({ level: 'error', format: 'json', destination: process.stderr })
const dataPlane = createBenchDataPlane(logger)
dataPlane.start()

const server = createHttpServer({
  routes: dataPlane.routes,
  nameRequest: createRequestNamer(systemRandomBytes),
  logger,
})
const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
process.stdout.write(`http://127.0.0.1:${port}\n`)
// An exit in order, so that a profile is written.
process.on('SIGTERM', () => process.exit())
