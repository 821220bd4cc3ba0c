import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../harness/database.ts'
import { readCredentials, verifyKey } from './credentials.ts'
import { expectNothingLeft, makeDataDir, runServer, startServer, stopServer } from './server-process.ts'

const masterKey = () => randomBytes(32).toString('base64')

/** One sentence or a few, no stack trace, and nothing on the standard output. */
function expectPlainRefusal(run: Awaited<ReturnType<typeof runServer>>): string {
  const said = run.stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
    .join('\n')
  expect(run.code, said).toBe(1)
  expect(said).not.toMatch(/^\s+at /m)
  expect(run.stdout).toBe('')
  return said
}

test('a second server on a data folder is refused in a sentence that says what to do, and the first goes on', async () => {
  const dataDir = await makeDataDir()
  const first = await startServer({ DATA_DIR: dataDir })
  const credentials = readCredentials(first.stdout)
  if (credentials === null) throw new Error(first.stdout)

  const second = await runServer({ DATA_DIR: dataDir })
  expect(expectPlainRefusal(second)).toBe(
    `The data folder ${dataDir} is in use by another Keyward server (process ${first.pid}). ` +
      'Stop that one first, or start this one with another DATA_DIR.',
  )
  expect(await verifyKey(first, credentials.verifierToken, credentials.demoToken)).toBe('VALID')
  await stopServer(first)
  await expectNothingLeft(dataDir)
})

test('settings that are wrong are all named at once, and no secret among them is repeated', async () => {
  const run = await runServer({
    PORT: 'four thousand',
    DATABASE_URL: 'mysql://user:url-secret@host/db',
    MASTER_KEY: 'master-secret',
    BOOTSTRAP_ADMIN_PASSWORD: 'pw-secret',
    BOOTSTRAP_VERIFIER_TOKEN: 'kw_live_token-secret',
    TRUSTED_PROXIES: '10.0.0.0/8, 10.0.0.0/33',
    CORS_ORIGINS: 'https://app.example.com/path',
    VERIFY_AUTH: 'none',
    LOG_LEVEL: 'loud',
  })
  const said = expectPlainRefusal(run)
  for (const name of [
    'PORT',
    'DATABASE_URL',
    'MASTER_KEY',
    'BOOTSTRAP_ADMIN_PASSWORD',
    'BOOTSTRAP_VERIFIER_TOKEN',
    'TRUSTED_PROXIES',
    'CORS_ORIGINS',
    'VERIFY_AUTH',
    'LOG_LEVEL',
  ]) {
    expect(said).toMatch(new RegExp(`^  ${name} `, 'm'))
  }
  expect(said).not.toContain('secret')
})

test('a port that is in use is named', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const dataDir = await makeDataDir()

  const said = expectPlainRefusal(await runServer({ DATA_DIR: dataDir, PORT: String(port) }))
  expect(said).toBe(`Port ${port} of 127.0.0.1 is in use. Stop the program that has it, or set PORT to another one.`)
  await expectNothingLeft(dataDir)

  // It was the first start, and nobody has seen its credentials.
  const next = await startServer({ DATA_DIR: dataDir })
  expect(readCredentials(next.stdout)).not.toBeNull()
  await stopServer(next)
})

test.each(['127.0.0.1', 'localhost'])(
  'a database at %s that does not answer is named without its password',
  async (host) => {
    const free = await findFreePort()
    const url = `postgresql://keyward:url-secret@${host}:${free}/keys`
    const run = await runServer({ DATABASE_URL: url, MASTER_KEY: masterKey() })
    const said = expectPlainRefusal(run)
    expect(said).toContain(`The database keys at ${host}:${free} (DATABASE_URL) cannot be used: connect ECONNREFUSED`)
    expect(said.split('\n')).toHaveLength(1)
    expect(run.stderr).not.toContain('url-secret')
  },
)

test('a database that was not migrated is refused with the command that migrates it', async () => {
  const database = await createTestDatabase({ migrated: false })
  onTestFinished(() => database.drop())
  const run = await runServer({ DATABASE_URL: database.url, MASTER_KEY: masterKey() })
  const said = expectPlainRefusal(run)
  expect(said).toContain('npm run db:migrate')
  expect(said.split('\n')).toHaveLength(1)
})

test('another master key than the one that the installation was set up with is refused', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  await stopServer(await startServer({ DATABASE_URL: database.url, MASTER_KEY: masterKey() }))
  const said = expectPlainRefusal(await runServer({ DATABASE_URL: database.url, MASTER_KEY: masterKey() }))
  expect(said).toBe(
    'A secret was sealed with another master key; give the server the MASTER_KEY that it was set up with.',
  )
})

test('an external database gets no starter tenant', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const server = await startServer({ DATABASE_URL: database.url, MASTER_KEY: masterKey() })
  expect(server.stdout).toMatch(/^ {2}Password /m)
  expect(server.stdout).not.toContain('acme')
  expect(server.stdout).not.toContain('curl')
  await stopServer(server)
})

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return typeof address === 'object' && address !== null ? address.port : 1
}
