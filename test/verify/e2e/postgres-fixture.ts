import { randomBytes, randomUUID } from 'node:crypto'
import { createPool } from '../../../src/db/pool.ts'
import { createCreditStore } from '../../../src/keys/credit-store.ts'
import { createKeySource } from '../../../src/keys/key-source.ts'
import { createNonceStore } from '../../../src/keys/nonce-store.ts'
import { createEnvelope, type Envelope } from '../../../src/secrets/envelope.ts'
import { createQuotaStore } from '../../../src/usage/quota-store.ts'
import { createUsageStore } from '../../../src/usage/usage-store.ts'
import type { DataPlaneDeps } from '../../../src/verify/data-plane.ts'
import { createTestDatabase } from '../../harness/database.ts'
import { openOwnerPool } from '../../harness/store-database.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'
import { type Query, readRequestCount, seedKey, seedTenant } from './seeding.ts'
import { createVerifyClient, type VerifyClient } from './verify-client.ts'

/** The data plane alone on a real socket and a real database, for tests that give it ports and defaults of their own. */
export interface PostgresFixture extends Pick<VerifyFixture, 'clock' | 'dataPlane' | 'baseUrl' | 'logged'> {
  readonly query: Query
  /** Asks as a verifier of the platform. */
  readonly client: VerifyClient
  /** With which secrets are sealed. */
  readonly envelope: Envelope
  /** Every statement that went to the database since the start. */
  readonly statements: string[]
  stop(): Promise<void>
}

export async function startPostgresFixture(makeDeps: (query: Query) => Partial<DataPlaneDeps> = () => ({})) {
  const database = await createTestDatabase()
  const owner = openOwnerPool(database)
  const query: Query = async (sql, values) => (await owner.query(sql, values)).rows
  const statements: string[] = []
  const pool = createPool({
    url: database.url,
    log: { warn: () => undefined },
    onStatement: (sql) => statements.push(sql),
  })
  const nodeId = randomUUID()
  const envelope = createEnvelope(randomBytes(32))
  const nonceStore = createNonceStore({ pool, onPurgeFailure: () => undefined })
  const backing = {
    source: createKeySource({ pool, envelope, nodeId }),
    sink: createUsageStore(pool),
    /** For the verifiers that the fixture makes; tests seed their own. */
    put: async () => undefined,
    readRequestCount: (keyId: string) => readRequestCount(query, keyId),
    async close() {
      await nonceStore.settle()
      await pool.end()
      await owner.end()
      await database.drop()
    },
  }
  const fixture = await startVerifyFixture(backing, {
    quotaSink: createQuotaStore(pool, nodeId),
    creditStore: createCreditStore(pool),
    nonceStore,
    ...makeDeps(query),
  })
  const platform = await seedTenant(query, { isPlatform: true, keyPrefix: 'kw' })
  const verifier = await seedKey(query, platform, { scopes: ['keyward:verify'] })
  const client = createVerifyClient(fixture.baseUrl, verifier.token)
  const started: PostgresFixture = {
    ...fixture,
    query,
    client,
    envelope,
    statements,
    async stop() {
      client.close()
      await fixture.stop()
    },
  }
  return started
}
