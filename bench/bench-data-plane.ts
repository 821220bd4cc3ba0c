import { systemClock } from '../src/lib/clock.ts'
import type { Logger } from '../src/lib/logger.ts'
import { createDataPlane, type DataPlane } from '../src/verify/data-plane.ts'
import { createBenchKeySource } from './keys.ts'

/**
 * The data plane as the product puts it together, over keys in memory instead of a database, so that it is our code that
 * is measured and not PostgreSQL, which would take its part of the same processors.
 */
export function createBenchDataPlane(logger: Logger): DataPlane {
  return createDataPlane({
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
}
