import { createRequestNamer } from '../../src/http/request-id.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/lib/logger.ts'
import { systemRandomBytes } from '../../src/lib/random.ts'
import { createDataPlane } from '../../src/verify/data-plane.ts'
import { createBenchKeySource } from '../keys.ts'

/**
 * The data plane as the product serves it, over keys in memory instead of a database, so that it is the server that is
 * measured and not PostgreSQL, which would take its part of the same processors. Prints its address.
 */
const logger = await createLogger({ level: 'error', format: 'json', destination: process.stderr })
const dataPlane = createDataPlane({
  keySource: createBenchKeySource(),
  usageSink: { write: async () => undefined },
  isIssuedPrefix: () => true,
  clock: systemClock,
  logger,
  newId: () => crypto.randomUUID(),
  openVerification: false,
  quotaSink: { write: async () => undefined, keepAlive: async () => undefined },
  creditStore: {
    lease: () => Promise.reject(new Error('No key of the bench spends credits.')),
    giveBack: async () => undefined,
  },
  secretActivator: { activate: async () => undefined },
  nonceStore: { claim: async () => true },
  signatureWindow: { windowSeconds: 300, skewSeconds: 60 },
  systemConfig: {},
})
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
