import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Places, readDocumentedConfig } from './documented-config.ts'

export interface RunningProxy {
  readonly port: number
  stop(): Promise<void>
}

/** Changes what the document says, for tests of what happens without a part of it. */
export type EditConfig = (config: string) => string

export type StartProxy = (places: Omit<Places, 'listenPort'>, edit?: EditConfig) => Promise<RunningProxy>

/** nginx lives where only root's PATH leads. */
const SEARCH_PATH = `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin`
const START_MAX_MS = 20_000
const STOP_MAX_MS = 5_000

export const startNginx: StartProxy = async (places, edit = (config) => config) => {
  const listenPort = await findFreePort()
  const folder = await mkdtemp(join(tmpdir(), 'keyward-nginx-'))
  // Started by root, the workers run as somebody else, who has to reach their folders in here.
  await chmod(folder, 0o711)
  const site = join(folder, 'api.conf')
  await writeFile(site, edit(await readDocumentedConfig('nginx', { ...places, listenPort })), { mode: 0o600 })
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const main = join(folder, 'nginx.conf')
  await writeFile(
    main,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr warn; events { worker_connections 512; }
     http { access_log off; ${bodies.join(' ')} include ${site}; }`,
  )
  return run('nginx', ['-p', folder, '-e', 'stderr', '-c', main], listenPort, folder)
}

export const startCaddy: StartProxy = async (places, edit = (config) => config) => {
  const listenPort = await findFreePort()
  const folder = await mkdtemp(join(tmpdir(), 'keyward-caddy-'))
  const caddyfile = join(folder, 'Caddyfile')
  const site = edit(await readDocumentedConfig('caddyfile', { ...places, listenPort }))
  const options = '{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n'
  await writeFile(caddyfile, options + site, { mode: 0o600 })
  const home = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  return run('caddy', ['run', '--config', caddyfile, '--adapter', 'caddyfile'], listenPort, folder, home)
}

/** What a proxy says when it is asked for its version. */
export async function readProxyVersion(command: 'nginx' | 'caddy', searchPath: string = SEARCH_PATH): Promise<string> {
  const args = command === 'nginx' ? ['-v'] : ['version']
  const { stdout, stderr } = await promisify(execFile)(command, args, {
    env: { ...process.env, PATH: searchPath },
  }).catch((error: unknown) => {
    throw error instanceof Error ? explain(command, error) : error
  })
  return stdout + stderr
}

async function run(
  command: 'nginx' | 'caddy',
  args: readonly string[],
  port: number,
  folder: string,
  env: Record<string, string> = {},
): Promise<RunningProxy> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env, PATH: SEARCH_PATH },
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-10_000)
  })
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.on('exit', killAtExit)
  const proxy: RunningProxy = {
    port,
    async stop() {
      await end(child)
      process.off('exit', killAtExit)
      await rm(folder, { recursive: true, force: true })
    },
  }
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(explain(command, error)))
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code} instead of listening: ${said}`)))
  })
  // Who starts it hears of a failure; later there is nobody left to hear of the exit.
  failed.catch(() => undefined)
  try {
    await Promise.race([failed, waitForPort(port)])
  } catch (error) {
    await proxy.stop()
    throw error
  }
  return proxy
}

function explain(command: string, error: Error): Error {
  const isMissing = 'code' in error && error.code === 'ENOENT'
  if (!isMissing) return error
  return new Error(`These tests run a real ${command}, which is not installed: apt-get install ${command}.`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS)
  await exited
  clearTimeout(timer)
}

async function waitForPort(port: number): Promise<void> {
  const deadline = Date.now() + START_MAX_MS
  while (Date.now() < deadline) {
    if (await accepts(port)) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`Nothing listens on port ${port} after ${START_MAX_MS} ms.`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('The system gives no port.')
  return address.port
}
