import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { verifyKey } from './credentials.ts'
import { startWithAdmin, VERIFIER_TOKEN } from './installation.ts'
import { expectNothingLeft, makeDataDir, type ReadyServer, stopServer, waitFor } from './server-process.ts'

const VERIFIERS = 8

test('SIGTERM under load loses no count: as many verifications are stored as were answered', async () => {
  const dataDir = await makeDataDir()
  const { server, admin } = await startWithAdmin(dataDir)
  const key = await admin.createKey(await admin.createTenant())
  let answered = 0
  const failures: unknown[] = []

  async function verifyUntilRefused(): Promise<void> {
    for (;;) {
      try {
        expect(await verifyKey(server, VERIFIER_TOKEN, key.token)).toBe('VALID')
        answered++
      } catch (error) {
        failures.push(error)
        return
      }
    }
  }
  const load = Promise.all(Array.from({ length: VERIFIERS }, verifyUntilRefused))
  await expect.poll(() => answered, { timeout: 120_000 }).toBeGreaterThan(500)
  await stopServer(server)
  await load

  // Whoever came too late found the door closed, not an error behind it.
  for (const failure of failures) expect(failure).toMatchObject({ message: 'fetch failed' })
  const next = await startWithAdmin(dataDir)
  expect(await next.admin.countRequests(key)).toBe(answered)
  await stopServer(next.server)
  await expectNothingLeft(dataDir)
})

test('a request that was accepted before SIGTERM is answered, and nothing is accepted after', async () => {
  const dataDir = await makeDataDir()
  const { server, admin } = await startWithAdmin(dataDir)
  const key = await admin.createKey(await admin.createTenant())

  const request = await beginVerification(server, key.token)
  server.kill('SIGTERM')
  await waitFor(server, () => (server.stderr.includes('Keyward stops.') ? true : undefined))
  await expect(verifyKey(server, VERIFIER_TOKEN, key.token)).rejects.toThrow('fetch failed')
  const answer = await request.finish()
  expect(answer).toContain('HTTP/1.1 200 OK')
  expect(answer).toContain('"code":"VALID"')
  expect(answer).toMatch(/^connection: close\r$/im)
  expect(await server.exited, server.stderr).toBe(0)

  const next = await startWithAdmin(dataDir)
  expect(await next.admin.countRequests(key)).toBe(1)
  await stopServer(next.server)
})

/** Sends all but the last byte of a request, and makes sure that the server has begun to handle it. */
async function beginVerification(server: ReadyServer, token: string): Promise<{ finish(): Promise<string> }> {
  const body = JSON.stringify({ key: token })
  const { hostname, port } = new URL(server.baseUrl)
  const socket = connect(Number(port), hostname)
  const answer = text(socket)
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk
  })
  socket.write(
    [
      'POST /verify HTTP/1.1',
      `Host: ${hostname}`,
      `Authorization: Bearer ${VERIFIER_TOKEN}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      // The server says so when it hands the request on (RFC 9110 §10.1.1).
      'Expect: 100-continue',
      '\r\n',
    ].join('\r\n'),
  )
  await waitFor(server, () => (received.includes('100 Continue') ? true : undefined))
  socket.write(body.slice(0, -1))
  return {
    finish() {
      socket.write(body.slice(-1))
      return answer
    },
  }
}
