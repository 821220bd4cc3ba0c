import { randomUUIDv7 } from 'node:crypto'
import { type CommandRunner, createCommandRunner } from '../../src/commands/command-runner.ts'
import type { Invalidation } from '../../src/commands/invalidation.ts'
import { createPrisma } from '../../src/db/client.ts'
import { createPool } from '../../src/db/pool.ts'
import { createTransactionRunner } from '../../src/db/transaction.ts'
import { systemRandomBytes } from '../../src/lib/random.ts'
import { createEnvelope } from '../../src/secrets/envelope.ts'
import type { TestApp } from './app.ts'
import { findPlatformTenantId, uuidOf } from './seed.ts'

export interface TestCommands {
  readonly commands: CommandRunner
  /** What commands made wrong, in the order in which it was said. */
  readonly invalidations: readonly Invalidation[]
  stop(): Promise<void>
}

/** Runs commands on the app's database as another server would, for what no request of anybody leads to. */
export async function createTestCommands(app: TestApp): Promise<TestCommands> {
  const pool = createPool({ url: app.database.url, log: { warn: () => {} } })
  const prisma = createPrisma(pool)
  const platformTenantId = uuidOf(await findPlatformTenantId(app))
  const invalidations: Invalidation[] = []
  const commands = createCommandRunner({
    prisma,
    runInTransaction: createTransactionRunner({ prisma }),
    clock: app.clock,
    newId: randomUUIDv7,
    randomBytes: systemRandomBytes,
    envelope: createEnvelope(new Uint8Array(32)),
    platformTenantId: () => platformTenantId,
    nodeId: randomUUIDv7(),
    invalidate: (invalidation) => invalidations.push(invalidation),
  })
  return {
    commands,
    invalidations,
    async stop() {
      await prisma.$disconnect()
      await pool.end()
    },
  }
}
