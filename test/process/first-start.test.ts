import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { logIn, readCredentials, verifyKey } from './credentials.ts'
import { paste } from './paste.ts'
import { expectNothingLeft, makeDataDir, startServer, stopServer } from './server-process.ts'

const URLS_ALONE =
  /^\nKeyward is ready\.\n {2}GraphiQL {2}(http:\S+)\/graphql\n {2}Verify {4}POST \1\/verify\n {2}Health {4}\1\/health\n$/

test('the first start prints a login and a curl line that work, later starts print the URLs alone', async () => {
  const dataDir = await makeDataDir()
  const first = await startServer({ DATA_DIR: dataDir })
  const credentials = readCredentials(first.stdout)
  if (credentials === null) throw new Error(`Not all is printed: ${first.stdout}`)

  expect(JSON.parse(await paste(credentials.curl))).toMatchObject({
    valid: true,
    code: 'VALID',
    tenantSlug: 'acme',
    scopes: ['orders:read'],
  })
  expect(await logIn(first, credentials.email, credentials.password)).not.toBeNull()
  expect(await logIn(first, credentials.email, 'a wrong password')).toBeNull()
  await stopServer(first)

  const second = await startServer({ DATA_DIR: dataDir })
  expect(second.stdout).toMatch(URLS_ALONE)
  expect(await logIn(second, credentials.email, credentials.password)).not.toBeNull()
  expect(await verifyKey(second, credentials.verifierToken, credentials.demoToken)).toBe('VALID')
  await stopServer(second)
  await expectNothingLeft(dataDir)
})

test('the data folder is closed to others, and the credentials are not left in it', async () => {
  const dataDir = await makeDataDir()
  await stopServer(await startServer({ DATA_DIR: dataDir }))
  expect((await stat(dataDir)).mode & 0o066).toBe(0)
  expect((await stat(join(dataDir, 'master.key'))).mode & 0o777).toBe(0o600)
  await expect(stat(join(dataDir, 'first-start.sealed'))).rejects.toThrow('ENOENT')
})

test('credentials that are given are used at the first start, the password is not repeated, and a later one does not count', async () => {
  const dataDir = await makeDataDir()
  const given = {
    BOOTSTRAP_ADMIN_EMAIL: 'Root@Example.com',
    BOOTSTRAP_ADMIN_PASSWORD: 'given by the operator',
    BOOTSTRAP_VERIFIER_TOKEN: 'kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUV0tyZ62',
  }
  const first = await startServer({ DATA_DIR: dataDir, ...given })
  expect(first.stdout).toContain('as in BOOTSTRAP_ADMIN_PASSWORD')
  expect(first.stdout).toContain('as in BOOTSTRAP_VERIFIER_TOKEN')
  expect(first.stdout + first.stderr).not.toContain(given.BOOTSTRAP_ADMIN_PASSWORD)
  expect(first.stderr).not.toContain(given.BOOTSTRAP_VERIFIER_TOKEN)
  expect(await logIn(first, 'root@example.com', given.BOOTSTRAP_ADMIN_PASSWORD)).not.toBeNull()
  const curl = readCredentials(first.stdout)?.curl ?? ''
  expect(curl).toContain(given.BOOTSTRAP_VERIFIER_TOKEN)
  expect(JSON.parse(await paste(curl))).toMatchObject({ valid: true })
  await stopServer(first)

  const second = await startServer({ DATA_DIR: dataDir, ...given, BOOTSTRAP_ADMIN_PASSWORD: 'another password' })
  expect(second.stdout).toMatch(URLS_ALONE)
  expect(await logIn(second, 'root@example.com', given.BOOTSTRAP_ADMIN_PASSWORD)).not.toBeNull()
  expect(await logIn(second, 'root@example.com', 'another password')).toBeNull()
  await stopServer(second)
})
