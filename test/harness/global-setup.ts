import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { makeRunFolder } from './run-folder.ts'
import { startTestServer, type TestServer } from './test-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A Unix socket. Who connects receives the superuser's URL of the run's PostgreSQL, or `error: …`. */
    readonly testServerSocket: string
    /** Goes with the run. Tests make their folders in it. */
    readonly runFolder: string
  }
}

/**
 * One PostgreSQL for the whole run, started when the first test asks for a database: tests of pure rules, run alone, do
 * not wait for it. Tests run in processes of their own and ask over a socket.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await makeRunFolder()
  const socket = join(folder.path, 'ask')
  let starting: Promise<TestServer> | null = null
  const answer = async () => {
    starting ??= startTestServer(join(folder.path, 'server'))
    return (await starting).superuserUrl
  }
  const server = await listen(socket, answer)
  project.provide('testServerSocket', socket)
  project.provide('runFolder', folder.path)
  return async () => {
    server.close()
    const started = await starting?.catch(() => null)
    await started?.stop()
    await folder.remove()
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
