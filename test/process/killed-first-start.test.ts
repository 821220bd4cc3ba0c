import { watch } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { logIn, readCredentials } from './credentials.ts'
import { paste } from './paste.ts'
import {
  expectNothingLeft,
  makeDataDir,
  type ServerProcess,
  spawnServer,
  startServer,
  stopServer,
} from './server-process.ts'

/** Kills the server a while after a file of that name appeared in its data folder. */
async function killAfter(server: ServerProcess, dataDir: string, fileName: RegExp, delayMs: number): Promise<void> {
  const folder = watch(dataDir, (_event, name) => {
    if (name === null || !fileName.test(name)) return
    folder.close()
    if (delayMs === 0) server.kill('SIGKILL')
    else setTimeout(() => server.kill('SIGKILL'), delayMs)
  })
  expect(await server.exited, server.stderr).toBeNull()
  folder.close()
}

/** Kills a first start and returns what it had printed. */
async function startAndKill(dataDir: string, fileName: RegExp, delayMs: number): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const server = spawnServer({ DATA_DIR: dataDir })
  await killAfter(server, dataDir, fileName, delayMs)
  return server.stdout
}

/** The next start prints all that the killed one has not, and what was printed last is what counts. */
async function expectUsableInstallation(dataDir: string, printedBefore: string): Promise<void> {
  const server = await startServer({ DATA_DIR: dataDir })
  const credentials = readCredentials(server.stdout) ?? readCredentials(printedBefore)
  if (credentials === null) throw new Error(`Nobody has seen the credentials: ${server.stdout}`)
  expect(await logIn(server, credentials.email, credentials.password)).not.toBeNull()
  const port = new URL(server.baseUrl).port
  const curl = credentials.curl.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`)
  expect(JSON.parse(await paste(curl))).toMatchObject({ valid: true })
  await stopServer(server)
  await expectNothingLeft(dataDir)
}

describe('a first start that is killed leaves a folder in which the next start succeeds and prints the credentials', () => {
  test.each([
    ['while the cluster is made', /^postgres\.unfinished-/],
    ['when the cluster is made', /^postgres$/],
    ['when PostgreSQL has logged', /^postgres\.log$/],
    ['when the master key is made', /^master\.key$/],
    ['between the making of the credentials and the commit', /^first-start\.sealed$/],
  ])('%s', async (_moment, fileName) => {
    const dataDir = await makeDataDir()
    const printed = await startAndKill(dataDir, fileName, 0)
    expect(printed).toBe('')
    await expectUsableInstallation(dataDir, printed)
  })

  test('at random moments around the commit and the printing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 80 }), async (delayMs) => {
        const dataDir = await makeDataDir()
        const printed = await startAndKill(dataDir, /^first-start\.sealed$/, delayMs)
        await expectUsableInstallation(dataDir, printed)
      }),
      { numRuns: 2, endOnFailure: true },
    )
  })

  test('at random moments of the whole start, twice in a row', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_200), fc.nat(1_200), async (firstDelayMs, secondDelayMs) => {
        const dataDir = await makeDataDir()
        const first = await startAndKill(dataDir, /./, firstDelayMs)
        const second = await startAndKill(dataDir, /./, secondDelayMs)
        await expectUsableInstallation(dataDir, first + second)
      }),
      { numRuns: 1, endOnFailure: true },
    )
  })
})
