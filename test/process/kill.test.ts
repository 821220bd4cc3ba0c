import { expect, test } from 'vitest'
import { verifyKey } from './credentials.ts'
import { type Admin, type CreatedKey, startWithAdmin, VERIFIER_TOKEN } from './installation.ts'
import { expectNothingLeft, makeDataDir, type ReadyServer, stopServer } from './server-process.ts'

/** What was acknowledged while the load ran. */
interface Load {
  readonly keys: CreatedKey[]
  /** Verifications sent and answered, by key. */
  readonly sent: Map<CreatedKey, number>
  readonly answered: Map<CreatedKey, number>
  /** Resolves when the server is gone and every caller has noticed. */
  readonly ended: Promise<unknown>
}

const CREATORS = 4
const VERIFIERS = 8

/** Creates keys and verifies them, each in several places at once, until the server is gone. */
function startLoad(server: ReadyServer, admin: Admin, tenantId: string, firstKey: CreatedKey): Load {
  const keys = [firstKey]
  const sent = new Map<CreatedKey, number>()
  const answered = new Map<CreatedKey, number>()
  const increase = (counts: Map<CreatedKey, number>, key: CreatedKey) => counts.set(key, (counts.get(key) ?? 0) + 1)

  async function create(): Promise<void> {
    for (;;) keys.push(await admin.createKey(tenantId))
  }
  async function verify(place: number): Promise<void> {
    for (let turn = place; ; turn++) {
      const key = keys[turn % keys.length] ?? firstKey
      increase(sent, key)
      expect(await verifyKey(server, VERIFIER_TOKEN, key.token)).toBe('VALID')
      increase(answered, key)
    }
  }
  const callers = [
    ...Array.from({ length: CREATORS }, create),
    ...Array.from({ length: VERIFIERS }, (_, n) => verify(n)),
  ]
  return { keys, sent, answered, ended: Promise.allSettled(callers) }
}

test('after kill -9 everything that was acknowledged is there, and counts that were written stay', async () => {
  const dataDir = await makeDataDir()
  const { server, admin } = await startWithAdmin(dataDir)
  const tenantId = await admin.createTenant()
  const watched = await admin.createKey(tenantId)
  const load = startLoad(server, admin, tenantId, watched)

  // What is answered at one moment is stored some moments later, while the load goes on.
  await expect.poll(() => load.keys.length, { timeout: 120_000 }).toBeGreaterThan(20)
  const answeredThen = load.answered.get(watched) ?? 0
  expect(answeredThen).toBeGreaterThan(0)
  let storedThen = 0
  await expect
    .poll(
      async () => {
        storedThen = await admin.countRequests(watched)
        return storedThen
      },
      { timeout: 120_000 },
    )
    .toBeGreaterThanOrEqual(answeredThen)
  server.kill('SIGKILL')
  expect(await server.exited).toBeNull()
  await load.ended

  // At once, while the PostgreSQL of the killed server may still be on its way out.
  const next = await startWithAdmin(dataDir)
  expect(next.server.stdout).not.toContain('first start')
  const stored = await next.admin.countRequests(watched)
  expect(stored).toBeGreaterThanOrEqual(storedThen)
  expect(stored).toBeLessThanOrEqual(load.sent.get(watched) ?? 0)
  const verdicts = await Promise.all(load.keys.map(({ token }) => verifyKey(next.server, VERIFIER_TOKEN, token)))
  expect(new Set(verdicts)).toEqual(new Set(['VALID']))
  await stopServer(next.server)
  await expectNothingLeft(dataDir)
})

test('after kill -9 nothing of the server is left behind', async () => {
  const dataDir = await makeDataDir()
  const { server } = await startWithAdmin(dataDir)
  server.kill('SIGKILL')
  await server.exited
  await expectNothingLeft(dataDir)
})
