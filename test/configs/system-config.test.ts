import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { startTestApp } from '../harness/app.ts'
import { sendVerify } from '../harness/client.ts'
import { seedAdmin } from '../harness/seed.ts'

function faultsOf(text: string): readonly string[] {
  const read = readConfig({ DEFAULT_CONFIG: text })
  return read.ok ? [] : read.problems
}

test('what the operator sets holds for keys whose tenant and self set nothing, from the start on', async () => {
  const app = await startTestApp({ env: { DEFAULT_CONFIG: '{"perMinute": 2, "ipDenylist": ["10.1.2.3/8"]}' } })
  try {
    const tenant = await (await seedAdmin(app)).tenant()
    const bare = await tenant.key()
    const own = await tenant.key({ config: { perMinute: 5 } })
    const limitOf = async (key: string) => (await sendVerify(app, { key, ip: '1.1.1.1' })).body.limits
    expect(await limitOf(bare.token)).toMatchObject([{ name: 'minute', limit: 2 }])
    expect(await limitOf(own.token)).toMatchObject([{ name: 'minute', limit: 5 }])
    expect((await sendVerify(app, { key: own.token, ip: '10.9.9.9' })).body.code).toBe('IP_DENIED')
  } finally {
    await app.stop()
  }
})

test.each([
  ['what is no JSON', '{perMinute: 1}', /^DEFAULT_CONFIG must be JSON/],
  ['what is no object', '[]', /^DEFAULT_CONFIG Expected an object/],
  ['a field that there is not', '{"perWeek": 1}', /perWeek: There is no such field/],
  ['a limit below -1', '{"perMinute": -2}', /perMinute: Expected a whole number/],
])('%s stops the start and is named', (_, text, message) => {
  expect(faultsOf(text)).toEqual([expect.stringMatching(message)])
})

test('every fault is named at once', () => {
  expect(faultsOf('{"perMinute": -2, "ipAllowlist": ["x"]}')).toHaveLength(2)
})
