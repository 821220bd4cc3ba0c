import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { DATABASE_NAME, OWNER_ROLE } from '../../../src/db/embedded/bootstrap.ts'
import { formatSocketUrl } from '../../../src/db/embedded/embedded-database.ts'
import { socketFolderOf } from '../../../src/db/embedded/socket-folder.ts'
import { findPostmaster } from '../../db/server-under-test.ts'
import { GIVEN, VERIFIER_TOKEN } from '../../process/installation.ts'
import { expectNothingLeft, makeDataDir, startServer, stopServer } from '../../process/server-process.ts'
import { newToken } from '../key-records.ts'
import { type Query, readQuota, readRequestCount, seedKey, seedTenant } from './seeding.ts'
import { createVerifyClient } from './verify-client.ts'

/** Looks into the embedded database as its owner, on a new connection each time: it comes and goes. */
function openQuery(dataDir: string): Query {
  const url = formatSocketUrl(socketFolderOf(dataDir), OWNER_ROLE, DATABASE_NAME)
  return async (sql, values) => {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(sql, values)).rows
    } finally {
      await client.end()
    }
  }
}

test('the embedded database is killed and stopped under a running server: warm keys notice nothing, cold ones are 503 until it is back', async () => {
  const dataDir = await makeDataDir()
  const server = await startServer({ DATA_DIR: dataDir, ...GIVEN })
  const query = openQuery(dataDir)
  const client = createVerifyClient(server.baseUrl, VERIFIER_TOKEN)
  onTestFinished(() => client.close())
  const tenantId = await seedTenant(query)
  const warm = await seedKey(query, tenantId, { config: { perMonth: 1_000_000 } })
  expect(await client.codeOf({ key: warm.token })).toBe('VALID')
  let answered = 1

  let isOver = false
  const warmCaller = (async () => {
    while (!isOver) {
      expect((await client.ask({ key: warm.token })).body).toMatchObject({ code: 'VALID', stale: false })
      answered++
    }
  })()

  for (const signal of ['SIGKILL', 'SIGINT'] as const) {
    const cold = await Promise.all(Array.from({ length: 10 }, () => seedKey(query, tenantId)))
    process.kill(findPostmaster(dataDir), signal)
    // As long as it lives, it says that there is no such token.
    await expect.poll(() => client.codeOf({ key: newToken() }), { timeout: 20_000, interval: 5 }).toBe('UNAVAILABLE')
    const codes = new Set<unknown>()
    for (const { token } of cold) {
      const isBack = async () => {
        const { status, body, headers } = await client.ask({ key: token })
        if (body.code === 'UNAVAILABLE') expect([status, headers['retry-after']]).toEqual([503, '1'])
        codes.add(body.code)
        return body.code
      }
      await expect.poll(isBack, { timeout: 40_000, interval: 20 }).toBe('VALID')
    }
    codes.delete('UNAVAILABLE')
    expect(codes, signal).toEqual(new Set(['VALID']))
  }
  isOver = true
  await warmCaller

  await expect.poll(() => readQuota(query, warm.keyId, 'month'), { timeout: 20_000 }).toBe(answered)
  await expect.poll(() => readRequestCount(query, warm.keyId), { timeout: 20_000 }).toBe(answered)
  await stopServer(server)
  await expectNothingLeft(dataDir)
})
