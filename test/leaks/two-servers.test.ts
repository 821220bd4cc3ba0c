import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { createTestDatabase } from '../harness/database.ts'
import { TenantConfigSet } from '../harness/operations.ts'
import { seedAdmin } from '../harness/seed.ts'
import { readRecords } from '../harness/tenant-records.ts'
import { createScanner, finding } from './report-sender.ts'

test('of reports that reach two servers at once one acts, and both deny the key', async () => {
  const database = await createTestDatabase()
  const scanner = await createScanner()
  const options = {
    database,
    masterKey: randomBytes(32),
    sharesDatabase: true,
    env: { LEAK_REPORT_KEYS_FILE: scanner.keysFile },
  }
  const one = await startTestApp(options)
  const other = await startTestApp(options)
  try {
    const admin = await seedAdmin(one)
    const { tenantId, key } = await admin.tenant()
    await sendGraphQL(one, TenantConfigSet, { tenantId, input: { leakPolicy: 'REVOKE' } }, admin.accessToken)
    const keys = await Promise.all(Array.from({ length: 10 }, () => key()))
    const report = keys.map(({ token }) => finding(token))
    const answers = await Promise.all([one, other, one, other].map((app) => scanner.report(app, report)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])

    const { events } = await readRecords(one, tenantId)
    expect(events.filter(({ type }) => type === 'api_key.leaked')).toHaveLength(keys.length)
    expect(events.filter(({ type }) => type === 'api_key.revoked')).toHaveLength(keys.length)
    const { verifierToken } = one.firstStart
    const codeFrom = async (app: TestApp, token: string) =>
      (await sendVerify(app, { key: token }, verifierToken)).body.code
    for (const { token } of keys)
      expect([await codeFrom(one, token), await codeFrom(other, token)]).toEqual(['REVOKED', 'REVOKED'])
  } finally {
    await one.stop()
    await other.stop()
    await database.drop()
  }
})
