import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { expectNothingLeft, makeDataDir, ServerProcess, waitFor } from './server-process.ts'

test('SIGTERM to `npm start` reaches the server, which stops in order', async () => {
  const dataDir = await makeDataDir()
  const child = spawn('npm', ['start'], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that nothing outlives a test that fails.
    detached: true,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', DATA_DIR: dataDir },
  })
  onTestFinished(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // All of it has ended.
    }
  })
  const npm = new ServerProcess(child)
  await waitFor(npm, () => npm.baseUrl)
  npm.kill('SIGTERM')
  // Settles when the last of them has closed what it writes to.
  await npm.exited
  expect(npm.stderr).toContain('Keyward has stopped.')
  await expectNothingLeft(dataDir)
})
