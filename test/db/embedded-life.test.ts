import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  findPostmaster,
  findProcessesOf,
  makeTestFolder,
  makeUsedDataFolder,
  query,
  readProc,
  startRunningServer,
  startServer,
  until,
  waitUntilGone,
} from './server-under-test.ts'

const KEEP_ROW = 'CREATE TABLE IF NOT EXISTS kept (id int); INSERT INTO kept VALUES (1)'

test('the first start makes the database, the next one finds it, and nothing listens on TCP', async () => {
  const dataDir = await makeTestFolder()
  const first = await startRunningServer({ dataDir })
  expect(first.created).toBe(true)
  expect(await query(first.superuserUrl, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }])
  await query(first.superuserUrl, KEEP_ROW)
  await first.stop()
  expect(findProcessesOf(dataDir)).toEqual([])

  const second = await startRunningServer({ dataDir })
  expect(second.created).toBe(false)
  expect(await query(second.superuserUrl, 'SELECT id FROM kept')).toEqual([{ id: 1 }])
  await second.stop()
})

test('nobody else can enter the data folder, the cluster or the folder of the socket', async () => {
  const dataDir = await makeUsedDataFolder()
  const server = await startRunningServer({ dataDir })
  for (const folder of ['', 'postgres', 'socket']) expect(statSync(join(dataDir, folder)).mode & 0o777).toBe(0o700)
  expect(statSync(join(dataDir, 'postgres.log')).mode & 0o777).toBe(0o600)
  await server.stop()
})

test('PostgreSQL receives none of the environment of the server, which holds secrets', async () => {
  const dataDir = await makeUsedDataFolder()
  const server = await startRunningServer({ dataDir })
  const processes = findProcessesOf(dataDir)
  expect(processes.length).toBeGreaterThanOrEqual(2)
  for (const pid of processes) expect(readProc(pid, 'environ')).not.toContain('must-not-reach-postgres')
  await server.stop()
})

test('a killed server leaves no PostgreSQL behind, and a restart has every acknowledged row', async () => {
  const dataDir = await makeUsedDataFolder()
  const first = await startRunningServer({ dataDir })
  await query(first.superuserUrl, KEEP_ROW)
  await first.kill()
  await waitUntilGone(dataDir)

  const second = await startRunningServer({ dataDir })
  expect(await query(second.superuserUrl, 'SELECT id FROM kept')).toEqual([{ id: 1 }])
  await second.stop()
})

test('a server that is started while the PostgreSQL of a killed one still shuts down waits for it', async () => {
  const dataDir = await makeUsedDataFolder()
  let server = await startRunningServer({ dataDir })
  await query(server.superuserUrl, 'CREATE TABLE kept (id int)')
  for (let round = 0; round < 5; round++) {
    await query(server.superuserUrl, 'INSERT INTO kept SELECT generate_series(1, 20000)')
    await server.kill()
    server = await startRunningServer({ dataDir })
  }
  expect(await query(server.superuserUrl, 'SELECT count(*)::int FROM kept')).toEqual([{ count: 100_000 }])
  await server.stop()
})

test('PostgreSQL and server killed together: the restart recovers', async () => {
  const dataDir = await makeUsedDataFolder()
  const first = await startRunningServer({ dataDir })
  await query(first.superuserUrl, KEEP_ROW)
  for (const pid of [...findProcessesOf(dataDir)]) process.kill(pid, 'SIGKILL')
  await first.kill()

  const second = await startRunningServer({ dataDir })
  expect(await query(second.superuserUrl, 'SELECT id FROM kept')).toEqual([{ id: 1 }])
  await second.stop()
})

test('a second server on the data folder is refused with what to do, and the first one goes on', async () => {
  const dataDir = await makeUsedDataFolder()
  const first = await startRunningServer({ dataDir })
  expect(await startServer({ dataDir })).toEqual({
    refused: {
      code: 'DATA_FOLDER_IN_USE',
      message:
        `The data folder ${dataDir} is in use by another Keyward server (process ${first.pid}). ` +
        'Stop that one first, or start this one with another DATA_DIR.',
    },
  })
  expect(await query(first.serverUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  await first.stop()
})

test('of servers that start at the same instant on an empty folder one wins and the others are refused', async () => {
  const dataDir = await makeTestFolder()
  const servers = await Promise.all([1, 2, 3].map(() => startServer({ dataDir })))
  const winners = servers.flatMap((server) => ('refused' in server ? [] : [server]))
  const refusals = servers.flatMap((server) => ('refused' in server ? [server.refused.code] : []))
  expect(refusals).toEqual(['DATA_FOLDER_IN_USE', 'DATA_FOLDER_IN_USE'])
  expect(await query(winners[0]?.serverUrl ?? '', 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  expect(readdirSync(dataDir).filter((name) => name.includes('unfinished'))).toEqual([])
  await winners[0]?.stop()
})

test('a server killed while it makes the cluster leaves nothing that stops the next one', async () => {
  const dataDir = await makeTestFolder()
  const starting = startServer({ dataDir }).catch(() => null)
  await until(() => readdirSync(dataDir).some((name) => name.includes('unfinished')))
  const [unfinished = ''] = readdirSync(dataDir)
  process.kill(Number(unfinished.split('-')[1]), 'SIGKILL')
  await starting

  const server = await startRunningServer({ dataDir })
  expect(server.created).toBe(true)
  expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log', 'socket'])
  await server.stop()
})

test('a PostgreSQL that ends on its own is started again, and the folder stays claimed', async () => {
  const dataDir = await makeUsedDataFolder()
  const server = await startRunningServer({ dataDir })
  const killed = findPostmaster(dataDir)
  process.kill(killed, 'SIGKILL')
  await until(() => answers(server.serverUrl))
  expect(findPostmaster(dataDir)).not.toBe(killed)
  expect(await startServer({ dataDir })).toMatchObject({ refused: { code: 'DATA_FOLDER_IN_USE' } })
  await server.stop()
  expect(findProcessesOf(dataDir)).toEqual([])
})

test('a crash of one backend, after which PostgreSQL closes every connection, does not lose the claim', async () => {
  const dataDir = await makeUsedDataFolder()
  const server = await startRunningServer({ dataDir })
  const [backend] = await query(
    server.superuserUrl,
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
  )
  process.kill(Number(backend?.pid), 'SIGKILL')
  await until(async () => (await holders(server.superuserUrl)) === 1)
  expect(await startServer({ dataDir })).toMatchObject({ refused: { code: 'DATA_FOLDER_IN_USE' } })
  await server.stop()
})

test('the end of the watchdog is noticed, and PostgreSQL runs under a new one', async () => {
  const dataDir = await makeUsedDataFolder()
  const server = await startRunningServer({ dataDir })
  const postmaster = findPostmaster(dataDir)
  const watchdogs = findProcessesOf(dataDir).filter((pid) => pid !== postmaster)
  for (const pid of watchdogs) process.kill(pid, 'SIGKILL')
  await until(async () => (await answers(server.serverUrl)) && findPostmaster(dataDir) !== postmaster)
  await server.kill()
  await waitUntilGone(dataDir)
})

test('a PostgreSQL without server and watchdog is ended and replaced', async () => {
  const dataDir = await makeUsedDataFolder()
  const first = await startRunningServer({ dataDir })
  const postmaster = findPostmaster(dataDir)
  for (const pid of findProcessesOf(dataDir).filter((found) => found !== postmaster)) process.kill(pid, 'SIGKILL')
  await first.kill()
  // Both may have had time to act on the other's end; what counts is that the next start succeeds either way.
  const second = await startRunningServer({ dataDir })
  expect(findPostmaster(dataDir)).not.toBe(postmaster)
  await second.stop()
})

test('a lock file that names a process which is something else now does not stop the start', async () => {
  const dataDir = await makeUsedDataFolder()
  const first = await startRunningServer({ dataDir })
  for (const pid of [...findProcessesOf(dataDir)]) process.kill(pid, 'SIGKILL')
  await first.kill()
  await waitUntilGone(dataDir)
  const stranger = spawn('sleep', ['600'])
  onTestFinished(() => void stranger.kill())
  const pidFile = join(dataDir, 'postgres/postmaster.pid')
  writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(stranger.pid)))
  writeFileSync(join(dataDir, 'socket/.s.PGSQL.5432.lock'), readFileSync(pidFile))

  const second = await startRunningServer({ dataDir })
  await second.stop()
})

test('a cluster of another major version of PostgreSQL is refused, and not touched', async () => {
  const dataDir = await makeTestFolder()
  mkdirSync(join(dataDir, 'postgres'))
  writeFileSync(join(dataDir, 'postgres/PG_VERSION'), '17\n')
  expect(await startServer({ dataDir })).toMatchObject({
    refused: { code: 'DATA_FOLDER_UNUSABLE', message: expect.stringContaining('was made by PostgreSQL 17') },
  })
  expect(readdirSync(join(dataDir, 'postgres'))).toEqual(['PG_VERSION'])
})

test('a setting that PostgreSQL does not take ends the start with what it said', async () => {
  const dataDir = await makeUsedDataFolder()
  const refused = await startServer({ dataDir, settings: { shared_buffers: 'plenty' } })
  expect(refused).toMatchObject({
    refused: { code: 'START_FAILED', message: expect.stringContaining('shared_buffers') },
  })
  await waitUntilGone(dataDir)
})

test("PostgreSQL's messages are emptied at a start when they have grown", async () => {
  const dataDir = await makeUsedDataFolder()
  const log = join(dataDir, 'postgres.log')
  writeFileSync(log, 'x'.repeat(5 * 1024 * 1024))
  const server = await startRunningServer({ dataDir })
  expect(statSync(log).size).toBeLessThan(64 * 1024)
  await server.stop()
})

test('failed statements leave no data in the messages', async () => {
  const dataDir = await makeUsedDataFolder()
  const server = await startRunningServer({ dataDir })
  await query(server.superuserUrl, 'CREATE TABLE secrets (token text UNIQUE)')
  const insert = "INSERT INTO secrets VALUES ('acme_live_secret')"
  await query(server.superuserUrl, insert)
  await expect(query(server.superuserUrl, insert)).rejects.toMatchObject({ code: '23505' })
  await server.stop()
  expect(readFileSync(join(dataDir, 'postgres.log'), 'utf8')).not.toContain('acme_live_secret')
})

async function answers(url: string): Promise<boolean> {
  return query(url, 'SELECT 1').then(
    () => true,
    () => false,
  )
}

async function holders(url: string): Promise<number> {
  const rows = await query(url, "SELECT FROM pg_locks WHERE locktype = 'advisory'").catch(() => [])
  return rows.length
}
