import { chmodSync, chownSync, mkdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { socketFolderOf } from '../../src/db/embedded/socket-folder.ts'
import { makeReachableProject } from './reachable-project.ts'
import { findPostmaster, makeTestFolder, query, startRunningServer, startServer } from './server-under-test.ts'
import { findUser, isRoot } from './user-identity.ts'

async function expectPostgres18(url: string): Promise<void> {
  expect(await query(url, "SELECT current_setting('server_version_num')::int / 10000 AS major")).toEqual([
    { major: 18 },
  ])
}

function namespaceOf(pid: number | 'self'): string {
  return readlinkSync(`/proc/${pid}/ns/user`)
}

test('PostgreSQL runs in a folder that only its user may enter, for root in a user namespace', async () => {
  const parent = await makeTestFolder()
  const dataDir = join(parent, 'deeper/data')
  const server = await startRunningServer({ dataDir })
  await expectPostgres18(server.serverUrl)
  expect(statSync(parent).mode & 0o777).toBe(0o700)
  expect(statSync(join(dataDir, 'postgres')).uid).toBe(process.getuid?.())
  expect(namespaceOf(findPostmaster(dataDir)) === namespaceOf('self')).toBe(!isRoot())
  await server.stop()
})

test('as an ordinary user PostgreSQL runs directly, and again after a kill', async () => {
  const user = isRoot() ? findUser('nobody') : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const projectDir = await makeReachableProject(user)
  const parent = await makeTestFolder()
  chmodSync(parent, 0o755)
  const dataDir = join(parent, 'data')
  mkdirSync(dataDir, { mode: 0o700 })
  chownSync(dataDir, user.uid, user.gid)
  const server = await startRunningServer({ dataDir }, { identity: user, projectDir })
  await expectPostgres18(server.serverUrl)
  expect(namespaceOf(findPostmaster(dataDir))).toBe(namespaceOf('self'))
  expect(statSync(join(dataDir, 'postgres')).uid).toBe(user.uid)
  await server.kill()

  const second = await startRunningServer({ dataDir }, { identity: user, projectDir })
  await expectPostgres18(second.serverUrl)
  await second.stop()
})

describe('a data folder whose path is too long for a socket', () => {
  async function makeDeepFolder(): Promise<{ dataDir: string; socketDir: string }> {
    const dataDir = join(await makeTestFolder(), 'a-folder-with-a-rather-long-name'.repeat(3), 'data')
    await mkdir(dataDir, { recursive: true })
    const socketDir = socketFolderOf(dataDir)
    onTestFinished(() => rm(socketDir, { recursive: true, force: true }))
    return { dataDir, socketDir }
  }

  test('has its socket in a closed folder under the temporary folder, where a second server finds it', async () => {
    const { dataDir, socketDir } = await makeDeepFolder()
    const server = await startRunningServer({ dataDir })
    expect(socketDir.startsWith(tmpdir())).toBe(true)
    expect(statSync(socketDir).mode & 0o777).toBe(0o700)
    await expectPostgres18(server.serverUrl)
    expect(await startServer({ dataDir })).toMatchObject({ refused: { code: 'DATA_FOLDER_IN_USE' } })
    await server.stop()
  })

  test('is refused when a symbolic link waits in its place', async () => {
    const { dataDir, socketDir } = await makeDeepFolder()
    symlinkSync(tmpdir(), socketDir)
    expect(await startServer({ dataDir })).toMatchObject({
      refused: { code: 'DATA_FOLDER_UNUSABLE', message: expect.stringContaining('belongs to somebody else') },
    })
  })
})
