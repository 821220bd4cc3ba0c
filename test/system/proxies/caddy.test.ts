import { expect, test } from 'vitest'
import { describeProxy } from './proxy-contract.ts'
import { startCaddy } from './proxy-process.ts'

describeProxy('Caddy', startCaddy, (proxied) => {
  test('a denial reaches the client as Keyward answers it', async () => {
    const { headers, text } = await proxied().send({ headers: [['X-API-Key', 'unknown']] })
    expect(headers).toMatchObject({ 'content-type': 'application/problem+json', 'x-keyward-code': 'NOT_FOUND' })
    expect(JSON.parse(text)).toMatchObject({ status: 401, code: 'NOT_FOUND' })
  })

  test('a connection that becomes a WebSocket is let through with a good key, and not without', async () => {
    const upgrade = [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Version', '13'],
    ] as const
    const { token } = await proxied().key()
    const { status, text } = await proxied().send({ headers: [['X-API-Key', token], ...upgrade] })
    expect({ status, text }).toEqual({ status: 101, text: 'hello' })
    expect((await proxied().send({ headers: upgrade })).status).toBe(401)
  })
})
