import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { socketFolderOf } from '../../../src/db/embedded/socket-folder.ts'
import {
  findPostmaster,
  findProcessesOf,
  makeTestFolder,
  query,
  readProc,
  startRunningServer,
  startServer,
} from '../../db/server-under-test.ts'
import { findUser, isRoot } from '../../db/user-identity.ts'

const nobody = findUser('nobody')
const daemon = findUser('daemon')

beforeAll(() => {
  if (!isRoot()) throw new Error('These tests show what happens when root starts the server: run them as root.')
})

/** A data folder that every user can reach. */
async function makeOpenDataDir(): Promise<string> {
  const parent = await makeTestFolder()
  chmodSync(parent, 0o755)
  return join(parent, 'data')
}

function userOf(pid: number): number {
  return Number(/^Uid:\t(\d+)\t/m.exec(readProc(pid, 'status'))?.[1])
}

test('where user namespaces are forbidden, PostgreSQL runs as nobody, who may pass through the folder and not list it', async () => {
  const dataDir = await makeOpenDataDir()
  const server = await startRunningServer({ dataDir, namespaces: false })
  expect(userOf(findPostmaster(dataDir))).toBe(nobody.uid)
  expect(statSync(dataDir)).toMatchObject({ uid: 0, mode: 0o40711 })
  expect(statSync(join(dataDir, 'postgres'))).toMatchObject({ uid: nobody.uid, mode: 0o40700 })
  expect(statSync(join(dataDir, 'socket'))).toMatchObject({ uid: nobody.uid, mode: 0o40700 })
  await server.kill()

  const second = await startRunningServer({ dataDir })
  expect(userOf(findPostmaster(dataDir))).toBe(nobody.uid)
  await second.stop()
})

test('a cluster made in a namespace is handed over where namespaces are forbidden later', async () => {
  const dataDir = await makeOpenDataDir()
  const first = await startRunningServer({ dataDir })
  await query(first.superuserUrl, 'CREATE TABLE kept (id int)')
  await first.stop()
  const second = await startRunningServer({ dataDir, namespaces: false })
  expect(await query(second.superuserUrl, 'SELECT * FROM kept')).toEqual([])
  await second.stop()
})

test.each([
  ['who has a name', daemon],
  ['who has none, as in a container', { uid: 47_110, gid: 47_110 }],
])('PostgreSQL runs as the owner of the data folder %s', async (_, owner) => {
  const dataDir = await makeOpenDataDir()
  mkdirSync(dataDir, { mode: 0o700 })
  chownSync(dataDir, owner.uid, owner.gid)
  const server = await startRunningServer({ dataDir })
  expect(userOf(findPostmaster(dataDir))).toBe(owner.uid)
  expect(statSync(dataDir)).toMatchObject({ uid: owner.uid, mode: 0o40700 })
  await server.stop()
})

test('with no way left the error names all three, and the folder stays as closed as it was', async () => {
  const dataDir = join(await makeTestFolder(), 'data')
  const names = /ordinary user;.*permit user namespaces.*let the owner of the data folder or the user nobody reach/
  expect(await startServer({ dataDir, namespaces: false })).toEqual({
    refused: { code: 'ROOT_REFUSED', message: expect.stringMatching(names) },
  })
  expect(statSync(dataDir).mode & 0o777).toBe(0o700)
  expect(findProcessesOf(dataDir)).toEqual([])
})

test('a folder of somebody else in the place of the socket folder is refused', async () => {
  const dataDir = join(await makeTestFolder(), 'a-folder-with-a-rather-long-name'.repeat(3), 'data')
  await mkdir(dataDir, { recursive: true })
  const socketDir = socketFolderOf(dataDir)
  onTestFinished(() => rm(socketDir, { recursive: true, force: true }))
  mkdirSync(socketDir, { mode: 0o700 })
  chownSync(socketDir, daemon.uid, daemon.gid)
  expect(await startServer({ dataDir })).toMatchObject({
    refused: { code: 'DATA_FOLDER_UNUSABLE', message: expect.stringContaining('belongs to somebody else') },
  })
})
