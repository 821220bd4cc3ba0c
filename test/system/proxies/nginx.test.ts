import { expect, test } from 'vitest'
import { send } from './client.ts'
import { replaceOnce } from './documented-config.ts'
import { describeProxy } from './proxy-contract.ts'
import { startNginx } from './proxy-process.ts'

describeProxy('nginx', startNginx, (proxied) => {
  test('without limitStatus=403, nginx turns a limit that is reached into 500', async () => {
    const { key, service, startVariant } = proxied()
    const { port } = await startVariant((config) => replaceOnce(config, '&limitStatus=403', ''))
    const { token } = await key({}, { perMinute: 1 })
    const ask = () => send({ port, headers: [['X-API-Key', token]] })
    expect((await ask()).status).toBe(200)
    service.takeReceived()
    expect((await ask()).status).toBe(500)
    expect(service.takeReceived()).toEqual([])
  })

  test('a location that forgets its scopes lets nobody in', async () => {
    const { key, service, startVariant } = proxied()
    const { port } = await startVariant((config) =>
      replaceOnce(config, 'set $keyward_scopes "orders:read";', 'set $keyward_scopes "";'),
    )
    const { token } = await key()
    expect((await send({ port, headers: [['X-API-Key', token]] })).status).toBe(500)
    expect(service.takeReceived()).toEqual([])
  })

  test('nobody can ask for the verdict by itself', async () => {
    const { token } = await proxied().key()
    expect((await proxied().send({ path: '/_keyward', headers: [['X-API-Key', token]] })).status).toBe(404)
  })

  test('what the service itself answers with 403 is left as it is', async () => {
    const { key, startVariant } = proxied()
    const { port } = await startVariant((config) =>
      replaceOnce(config, 'proxy_pass http://service;', 'return 403 "from the service";'),
    )
    const { token } = await key()
    expect((await send({ port, headers: [['X-API-Key', token]] })).status).toBe(403)
  })
})
