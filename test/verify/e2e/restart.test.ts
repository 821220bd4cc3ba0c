import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { startTestApp } from '../../harness/app.ts'
import { createTestDatabase } from '../../harness/database.ts'
import { createManualClock } from '../../harness/manual-clock.ts'
import { openOwnerPool } from '../../harness/store-database.ts'
import { GIVEN, VERIFIER_TOKEN } from '../../process/installation.ts'
import { startServer, stopServer } from '../../process/server-process.ts'
import { type Query, readCredits, readQuota, seedKey, seedTenant } from './seeding.ts'
import { createVerifyClient, times } from './verify-client.ts'

/** A database that outlives the servers on it. */
async function makeDatabase() {
  const database = await createTestDatabase()
  const owner = openOwnerPool(database)
  onTestFinished(async () => {
    await owner.end()
    await database.drop()
  })
  const query: Query = async (sql, values) => (await owner.query(sql, values)).rows
  return { database, query }
}

const LIMITS = { perDay: 1_000_000, perMonth: 1_000_000 }

test('after a clean stop the next server knows every count and every credit exactly', async () => {
  const { database, query } = await makeDatabase()
  const [masterKey, clock] = [randomBytes(32), createManualClock()]
  const tenantId = await seedTenant(query, { config: { aggregate: LIMITS }, timeZone: 'America/New_York' })
  const keys = await Promise.all(
    Array.from({ length: 6 }, () => seedKey(query, tenantId, { config: LIMITS, credits: { amount: 5_000 } })),
  )
  const spent = new Map(keys.map(({ token }) => [token, 0]))
  const sum = () => spent.values().reduce((total, units) => total + units, 0)
  let verifier = ''

  for (let run = 0; run < 2; run++) {
    const app = await startTestApp({ database, masterKey, clock })
    verifier ||= app.firstStart.verifierToken
    const client = createVerifyClient(app.baseUrl, verifier)
    for (const { token } of keys) {
      const { body } = await client.ask({ key: token, cost: 0 })
      const [own, all] = [spent.get(token) ?? 0, sum()]
      expect(body).toMatchObject({ code: 'VALID', credits: { remaining: 5_000 - own } })
      expect(body.limits).toMatchObject(
        [own, own, all, all].map((used) => ({ limit: 1_000_000, remaining: 1_000_000 - used })),
      )
    }
    const requests = keys.flatMap(({ token }, index) =>
      Array.from({ length: 20 + run }, (_, turn) => ({ key: token, cost: (turn + index) % 5 })),
    )
    expect(await client.flood(requests)).toEqual({ VALID: requests.length })
    for (const { key, cost } of requests) spent.set(key, (spent.get(key) ?? 0) + cost)
    client.close()
    await app.stop()
  }

  for (const { token, keyId } of keys) {
    const used = spent.get(token)
    expect(await readQuota(query, keyId, 'day')).toBe(used)
    expect(await readQuota(query, keyId, 'month')).toBe(used)
    expect(await readCredits(query, keyId)).toBe(5_000 - (used ?? 0))
  }
  expect(await readQuota(query, tenantId, 'month')).toBe(sum())
})

test('a clock that is set back over midnight while the server starts anew opens no limit of the day', async () => {
  const { database, query } = await makeDatabase()
  const [masterKey, clock] = [randomBytes(32), createManualClock('2026-03-31T23:59:00.000Z')]
  const limits = { perDay: 10, perMonth: 15 }
  const key = await seedKey(query, await seedTenant(query, { config: { aggregate: limits } }), { config: limits })
  let verifier = ''
  const onServer = async (ask: (codeOf: (cost: number) => Promise<unknown>) => Promise<void>) => {
    const app = await startTestApp({ database, masterKey, clock })
    verifier ||= app.firstStart.verifierToken
    const client = createVerifyClient(app.baseUrl, verifier)
    await ask((cost) => client.codeOf({ key: key.token, cost }))
    client.close()
    await app.stop()
  }

  await onServer(async (codeOf) => {
    expect(await codeOf(10)).toBe('VALID')
    clock.advance(2 * 60_000)
    expect(await codeOf(1)).toBe('VALID')
  })
  clock.advance(-2 * 60_000)
  await onServer(async (codeOf) => expect(await codeOf(1)).toBe('QUOTA_EXCEEDED'))
  clock.advance(2 * 60_000)
  await onServer(async (codeOf) => {
    expect(await codeOf(10)).toBe('QUOTA_EXCEEDED')
    expect(await codeOf(9)).toBe('VALID')
    expect(await codeOf(1)).toBe('QUOTA_EXCEEDED')
  })
})

test('a stop in the middle of traffic loses no count of a request that was answered', async () => {
  const { database, query } = await makeDatabase()
  const app = await startTestApp({ database })
  const key = await seedKey(query, await seedTenant(query), { config: LIMITS, credits: { amount: 100_000 } })
  const client = createVerifyClient(app.baseUrl, app.firstStart.verifierToken)
  let answered = 0
  let isStopped = false
  const { promise: isBusy, resolve: noteBusy } = Promise.withResolvers<void>()
  const callers = Array.from({ length: 16 }, async () => {
    while (!isStopped) {
      // What was not answered because the server stops may not be counted.
      const code = await client.codeOf({ key: key.token }).catch(() => null)
      if (code === 'VALID') answered++
      if (answered > 100) noteBusy()
    }
  })
  await isBusy
  await app.stop()
  isStopped = true
  await Promise.all(callers)
  client.close()
  expect(await readQuota(query, key.keyId, 'day')).toBe(answered)
  expect(await readCredits(query, key.keyId)).toBe(100_000 - answered)
})

/** One interval between flushes, and the time that a flush may take on a busy machine. */
const LOST_MS_MAX = 1_000 + 2_000

test('kill -9 loses what was counted since the last flush alone, and never a credit to two requests', async () => {
  const { database, query } = await makeDatabase()
  const env = { ...GIVEN, DATABASE_URL: database.url, MASTER_KEY: randomBytes(32).toString('base64') }
  const server = await startServer(env)
  const [creditCount, callerCount] = [2_000, 16]
  const tenantId = await seedTenant(query)
  const counted = await seedKey(query, tenantId, { config: LIMITS })
  const prepaid = await seedKey(query, tenantId, { credits: { amount: creditCount } })
  const client = createVerifyClient(server.baseUrl, VERIFIER_TOKEN)

  const early = 200
  expect(await client.flood(times(early, { key: counted.token }))).toEqual({ VALID: early })
  await expect.poll(() => readQuota(query, counted.keyId, 'month'), { timeout: 30_000 }).toBe(early)

  const answeredAt: number[] = []
  let [sent, spent] = [0, 0]
  let isKilled = false
  const begunAt = performance.now()
  const { promise: isBusy, resolve: noteBusy } = Promise.withResolvers<void>()
  const callers = Array.from({ length: callerCount }, async () => {
    while (!isKilled) {
      sent++
      if ((await client.codeOf({ key: counted.token }).catch(() => null)) === 'VALID')
        answeredAt.push(performance.now())
      // Only then is there anything that must have been written.
      if (performance.now() - begunAt < LOST_MS_MAX + 1_000) continue
      if ((await client.codeOf({ key: prepaid.token }).catch(() => null)) === 'VALID') spent++
      if (spent > creditCount / 4) noteBusy()
    }
  })
  await isBusy
  const killedAt = performance.now()
  server.kill('SIGKILL')
  await server.exited
  isKilled = true
  await Promise.all(callers)
  client.close()

  const next = await startServer(env)
  const nextClient = createVerifyClient(next.baseUrl, VERIFIER_TOKEN)
  const stored = await readQuota(query, counted.keyId, 'month')
  const written = answeredAt.filter((at) => at < killedAt - LOST_MS_MAX).length
  expect(written).toBeGreaterThan(0)
  expect(stored).toBeGreaterThanOrEqual(early + written)
  expect(stored).toBeLessThanOrEqual(early + sent)
  const { body } = await nextClient.ask({ key: counted.token })
  expect(body.limits).toMatchObject(Array(2).fill({ remaining: LIMITS.perMonth - stored - 1 }))

  // What was leased is lost, at most an eighth of what was there, or what was being asked for.
  const left = await readCredits(query, prepaid.keyId)
  expect(spent + left).toBeLessThanOrEqual(creditCount)
  expect(spent + left).toBeGreaterThanOrEqual(creditCount - creditCount / 8 - callerCount)
  const rest = await nextClient.flood(times(left + 50, { key: prepaid.token }))
  expect(rest).toEqual({ VALID: left, CREDITS_EXHAUSTED: 50 })
  nextClient.close()
  await stopServer(next)
})
