import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { createEnvelope, type Envelope } from '../../../src/secrets/envelope.ts'
import { startTestApp, type TestApp, type TestAppOptions } from '../../harness/app.ts'
import { createTestDatabase } from '../../harness/database.ts'
import { type Query, seedKey, seedTenant } from './seeding.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { createVerifyClient, type VerifyClient } from './verify-client.ts'

/** The real server, with a proxy between it and its database. */
export interface OutageFixture {
  readonly app: TestApp
  readonly proxy: TcpProxy
  /** Goes past the proxy. */
  readonly query: Query
  /** With which secrets are sealed. */
  readonly envelope: Envelope
  /** Asks as the platform's verifier. */
  readonly client: VerifyClient
  /** Begins and ends an outage around the work, and waits until the server has noticed its end by itself. */
  during<T>(begin: (proxy: TcpProxy) => void | Promise<void>, work: () => Promise<T>): Promise<T>
  stop(): Promise<void>
}

export async function startOutageFixture(
  options: Omit<TestAppOptions, 'database' | 'masterKey'> = {},
): Promise<OutageFixture> {
  const database = await createTestDatabase()
  const proxy = await startTcpProxy(database.url)
  const masterKey = randomBytes(32)
  const app = await startTestApp({ ...options, masterKey, database: { ...database, url: proxy.url } })
  const client = createVerifyClient(app.baseUrl, app.firstStart.verifierToken)
  const tenantId = await seedTenant(app.query)

  async function expectRecovery(): Promise<void> {
    const cold = await seedKey(app.query, tenantId)
    const ask = async () => {
      app.clock.advance(1_000)
      const { body } = await client.ask({ key: cold.token })
      return [body.code, body.stale]
    }
    await expect.poll(ask, { timeout: 30_000 }).toEqual(['VALID', false])
  }

  return {
    app,
    proxy,
    query: app.query,
    envelope: createEnvelope(masterKey),
    client,
    async during(begin, work) {
      await begin(proxy)
      try {
        return await work()
      } finally {
        await proxy.restore()
        await expectRecovery()
      }
    },
    async stop() {
      client.close()
      proxy.resetStalled()
      await app.stop()
      await proxy.stop()
      await database.drop()
    },
  }
}
