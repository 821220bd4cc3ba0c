import type { KeyConfig } from '../../../src/configs/effective-config.ts'
import type { ApiKeyCreateInput } from '../../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../../harness/app.ts'
import { type AdminSeed, type KeySeed, seedAdmin, type TenantSeed, uuidOf } from '../../harness/seed.ts'
import { type ClientAnswer, type ClientRequest, send } from './client.ts'
import type { EditConfig, RunningProxy, StartProxy } from './proxy-process.ts'
import { type Relay, startRelay } from './relay.ts'
import { type Service, startService } from './service.ts'

/** A service behind a real proxy that asks a real Keyward. */
export interface ProxiedApp {
  readonly app: TestApp
  readonly admin: AdminSeed
  readonly tenant: TenantSeed
  readonly service: Service
  /** Between the proxy and Keyward. */
  readonly relay: Relay
  /** A key that holds `orders:read`, which the proxy asks for. */
  key(input?: Partial<ApiKeyCreateInput>, config?: KeyConfig): Promise<KeySeed>
  send(request: Omit<ClientRequest, 'port'>): Promise<ClientAnswer>
  /** The same service behind another proxy, until `stop`. */
  startVariant(edit: EditConfig): Promise<RunningProxy>
  stop(): Promise<void>
}

export async function startProxiedApp(startProxy: StartProxy): Promise<ProxiedApp> {
  const app = await startTestApp({ env: { TRUSTED_PROXIES: '127.0.0.1' } })
  const admin = await seedAdmin(app)
  const tenant = await admin.tenant()
  await tenant.scope('orders:read')
  await tenant.scope('orders:write')
  const service = await startService()
  const relay = await startRelay(Number(new URL(app.baseUrl).port))
  const places = {
    keywardPort: relay.port,
    servicePort: service.port,
    verifierToken: app.firstStart.verifierToken,
  }
  const proxies: RunningProxy[] = []
  const start = async (edit?: EditConfig): Promise<RunningProxy> => {
    const proxy = await startProxy(places, edit)
    proxies.push(proxy)
    return proxy
  }

  async function stop(): Promise<void> {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
    await relay.stop()
    await service.stop()
    await app.stop()
  }

  let proxy: RunningProxy
  try {
    proxy = await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    app,
    admin,
    tenant,
    service,
    relay,
    async key(input = {}, config) {
      const key = await tenant.key({ scopes: ['orders:read'], ...input })
      // Written before the key is looked up for the first time.
      if (config) await app.query('UPDATE api_keys SET config = $1 WHERE id = $2', [config, uuidOf(key.apiKeyId)])
      return key
    },
    send: (request) => send({ port: proxy.port, ...request }),
    startVariant: start,
    stop,
  }
}
