import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { TestApp } from '../harness/app.ts'
import { send } from '../harness/client.ts'
import { uniqueName } from '../harness/seed.ts'

/** A secret scanner with keys of its own, as far as a server can tell. */
export interface Scanner {
  /** The file that names its public keys. */
  readonly keysFile: string
  /** The headers that a report with this body has. */
  sign(body: string, identifier?: string): Record<string, string>
  /** Signs the body by the first key and sends it, unless another key is named or headers are given. */
  report(app: TestApp, body: unknown, options?: ReportOptions): Promise<ReportAnswer>
}

export interface ReportOptions {
  /** Which of its keys signs; the current one when absent. */
  readonly identifier?: string
  readonly headers?: Record<string, string>
}

export interface ReportAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** Two keys, `current` and `next`: while keys are being replaced, both sign. */
export async function createScanner(): Promise<Scanner> {
  const pairs = new Map(
    ['current', 'next'].map((identifier) => [identifier, generateKeyPairSync('ec', { namedCurve: 'P-256' })]),
  )
  const keysFile = join(inject('runFolder'), `${uniqueName()}.json`)
  const entries = [...pairs].map(([identifier, { publicKey }]) => ({
    key_identifier: identifier,
    key: publicKey.export({ type: 'spki', format: 'pem' }),
    is_current: identifier === 'current',
  }))
  await writeFile(keysFile, JSON.stringify({ public_keys: entries }))

  function signBody(body: string, identifier = 'current'): Record<string, string> {
    const key: KeyObject | undefined = pairs.get(identifier)?.privateKey
    if (key === undefined) throw new Error(`${identifier} signs nothing.`)
    const signature = sign('sha256', Buffer.from(body), key).toString('base64')
    return { 'Github-Public-Key-Identifier': identifier, 'Github-Public-Key-Signature': signature }
  }

  return {
    keysFile,
    sign: signBody,
    async report(app, given, { identifier, headers } = {}) {
      const body = typeof given === 'string' ? given : JSON.stringify(given)
      const answer = await send(app, '/leaks', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...signBody(body, identifier), ...headers },
        body,
      })
      return { status: answer.status, headers: answer.headers, body: JSON.parse(answer.text) }
    },
  }
}

/** A finding of that token, in a commit. */
export function finding(token: string, given: object = {}) {
  return { token, type: 'keyward_api_token', url: 'https://github.com/o/r/blob/1/a.txt', source: 'commit', ...given }
}
