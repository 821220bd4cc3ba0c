import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { copyProject, PLATFORM_PACKAGE } from './reachable-project.ts'
import { makeTestFolder, query, type ServerUnderTest, startRunningServer, startServer } from './server-under-test.ts'
import { findUser, isRoot } from './user-identity.ts'

/** As npm leaves the package when install scripts are off: without the links to its libraries. */
async function copyProjectWithoutLinks(): Promise<{ projectDir: string; libraries: string }> {
  const projectDir = await copyProject()
  const libraries = join(projectDir, 'node_modules', PLATFORM_PACKAGE, 'native/lib')
  for (const name of linksIn(libraries)) rmSync(join(libraries, name))
  return { projectDir, libraries }
}

function linksIn(folder: string): readonly string[] {
  return readdirSync(folder).filter((name) => lstatSync(join(folder, name)).isSymbolicLink())
}

async function expectWorking(server: ServerUnderTest): Promise<void> {
  expect(await query(server.serverUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  await server.stop()
}

test('where install scripts are off, the links to the libraries are restored at the start', async () => {
  const { projectDir, libraries } = await copyProjectWithoutLinks()
  const dataDir = await makeTestFolder()
  await expectWorking(await startRunningServer({ dataDir }, { projectDir }))
  expect(linksIn(libraries).length).toBeGreaterThan(0)
  expect(existsSync(join(dataDir, 'lib'))).toBe(false)
})

test('where the packages are read-only as well, the links go to the data folder', async () => {
  const { projectDir, libraries } = await copyProjectWithoutLinks()
  chmodSync(libraries, 0o555)
  onTestFinished(() => chmodSync(libraries, 0o755))
  // Root may write everywhere; an ordinary user shows what read-only means.
  const identity = isRoot() ? findUser('nobody') : undefined
  const parent = await makeTestFolder()
  chmodSync(parent, 0o755)
  const dataDir = join(parent, 'data')
  mkdirSync(dataDir, { mode: 0o700 })
  if (identity) chownSync(dataDir, identity.uid, identity.gid)
  await expectWorking(await startRunningServer({ dataDir }, { projectDir, ...(identity ? { identity } : {}) }))
  expect(linksIn(libraries)).toEqual([])
  expect(linksIn(join(dataDir, 'lib')).length).toBeGreaterThan(0)
})

test('where the optional package is missing, the error says what to do', async () => {
  const { projectDir } = await copyProjectWithoutLinks()
  rmSync(join(projectDir, 'node_modules', PLATFORM_PACKAGE), { recursive: true })
  expect(await startServer({ dataDir: await makeTestFolder() }, { projectDir })).toEqual({
    refused: {
      code: 'PLATFORM_UNSUPPORTED',
      message:
        `The optional package ${PLATFORM_PACKAGE} with the embedded PostgreSQL is not installed. ` +
        'Run npm ci without --omit=optional. Or: Set DATABASE_URL to a PostgreSQL server of your own (15 or newer).',
    },
  })
})
