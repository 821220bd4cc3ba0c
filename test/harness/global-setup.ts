import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startTestServer, type TestServer } from './test-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A Unix socket. Who connects receives the superuser's URL of the run's PostgreSQL, or `error: …`. */
    readonly testServerSocket: string
  }
}

/**
 * One PostgreSQL for the whole run, started when the first test asks for a database: tests of pure rules, run alone, do
 * not wait for it. Tests run in processes of their own and ask over a socket.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), `keyward-test-${process.pid}-setup-`))
  const socket = join(folder, 'ask')
  let starting: Promise<TestServer> | null = null
  const answer = async () => {
    starting ??= startTestServer()
    return (await starting).superuserUrl
  }
  const server = await listen(socket, answer)
  project.provide('testServerSocket', socket)
  return async () => {
    server.close()
    await rm(folder, { recursive: true, force: true })
    const started = await starting?.catch(() => null)
    await started?.stop()
  }
}

function listen(path: string, answer: () => Promise<string>): Promise<Server> {
  const server = createServer((connection) => {
    connection.on('error', () => {})
    answer().then(
      (url) => connection.end(url),
      (error: unknown) => connection.end(`error: ${error instanceof Error ? error.message : String(error)}`),
    )
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}
