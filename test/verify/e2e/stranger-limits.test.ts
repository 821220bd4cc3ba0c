import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { startTestApp } from '../../harness/app.ts'
import { sendVerify } from '../../harness/client.ts'

async function startWith(env: Record<string, string>) {
  const app = await startTestApp({ env })
  onTestFinished(() => app.stop())
  return app
}

test('an operator sets how many unknown tokens one verifier may have looked up', async () => {
  const app = await startWith({ VERIFY_UNKNOWN_LOOKUPS_PER_SECOND: '2', VERIFY_UNKNOWN_LOOKUPS_BURST: '3' })
  const askUnknown = async () => (await sendVerify(app, { key: randomBytes(24).toString('hex') })).status
  const askTimes = async (count: number) => {
    const statuses = []
    for (let sent = 0; sent < count; sent++) statuses.push(await askUnknown())
    return statuses
  }
  expect(await askTimes(4)).toEqual([200, 200, 200, 503])
  app.clock.advance(1_000)
  expect(await askTimes(3)).toEqual([200, 200, 503])
})

test('an operator sets how often one address may fail to say who it is', async () => {
  const app = await startWith({ FAILED_AUTHENTICATIONS_PER_MINUTE: '2' })
  const fail = async () => (await sendVerify(app, { key: 'x' }, 'no token')).status
  expect([await fail(), await fail(), await fail()]).toEqual([401, 401, 429])
  expect((await sendVerify(app, { key: 'x' })).status).toBe(200)
})
