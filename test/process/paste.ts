import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { buffer, text } from 'node:stream/consumers'

type Environment = Readonly<Record<string, string>>

/** Runs what was pasted into a shell, and returns what it printed. Where there is no curl, its request is sent all the same. */
export async function paste(script: string, env: Environment = {}): Promise<string> {
  const { code, stdout, stderr } = await runShell(script, env)
  if (code === 127 && stderr.includes('curl')) return sendAsCurlWould(script, env)
  if (code !== 0) throw new Error(`The shell ended with ${code}: ${stderr}`)
  return stdout.toString()
}

/** Lets the shell read the quotes and variables of the command, and sends what curl would. */
export async function sendAsCurlWould(script: string, env: Environment = {}): Promise<string> {
  const { stdout } = await runShell(`curl() { printf '%s\\0' "$@"; }\n${script}`, env)
  const args = stdout.toString().split('\0').slice(0, -1)
  const headers: [string, string][] = []
  let url = ''
  let body: string | undefined
  for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
    if (arg === '-s') continue
    if (arg === '-H') headers.push(splitHeader(args.shift() ?? ''))
    else if (arg === '-d') body = args.shift()
    else url = arg
  }
  const response = await fetch(url, body === undefined ? { headers } : { method: 'POST', headers, body })
  return response.text()
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}

async function runShell(script: string, env: Environment) {
  const shell = spawn('sh', ['-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  })
  const closed = once(shell, 'close')
  const [stdout, stderr, [code]] = await Promise.all([buffer(shell.stdout), text(shell.stderr), closed])
  return { code: Number(code), stdout, stderr }
}
