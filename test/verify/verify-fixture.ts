import { randomUUID } from 'node:crypto'
import { createRequestNamer } from '../../src/http/request-id.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { systemRandomBytes } from '../../src/lib/random.ts'
import { createDataPlane, type DataPlane, type DataPlaneDeps } from '../../src/verify/data-plane.ts'
import type { KeyRecord, KeySource, UsageSink } from '../../src/verify/ports.ts'
import { createManualClock, type ManualClock } from '../harness/manual-clock.ts'
import { keyRecord, newToken } from './key-records.ts'
import { MemoryCreditStore } from './limits/memory-credit-store.ts'

export const TENANT_PLATFORM = '01900000-0000-7000-8000-000000000001'
export const TENANT_GLOBEX = '01900000-0000-7000-8000-00000000000b'

/** Where a data plane gets its keys from and puts its counts, in a form that tests can fill and look into. */
export interface Backing {
  readonly source: KeySource
  readonly sink: UsageSink
  /** Writes the key and its token, or overwrites what is there. */
  put(token: string, record: KeyRecord): Promise<void>
  /** Verdicts that were written for a key. */
  readRequestCount(keyId: string): Promise<number>
  close(): Promise<void>
}

/** `/verify` on a real socket. */
export interface VerifyFixture extends Pick<Backing, 'put' | 'readRequestCount'> {
  readonly baseUrl: string
  readonly port: number
  readonly clock: ManualClock
  readonly dataPlane: DataPlane
  readonly platformVerifier: string
  readonly acmeVerifier: string
  readonly globexVerifier: string
  readonly logged: unknown[]
  /** Reads of the source since the start. */
  countReads(): number
  ask(request: unknown, verifier?: string): Promise<Answer>
  stop(): Promise<void>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Record<string, unknown>
}

export async function startVerifyFixture(backing: Backing, deps: Partial<DataPlaneDeps> = {}): Promise<VerifyFixture> {
  const clock = createManualClock()
  const logged: unknown[] = []
  const log = (...line: unknown[]) => void logged.push(line)
  const logger = { debug: log, info: log, warn: log, error: log, fatal: log, child: () => logger }
  const dataPlane = createDataPlane({
    keySource: backing.source,
    usageSink: backing.sink,
    isIssuedPrefix: (prefix) => prefix === 'acme' || prefix === 'kw',
    clock,
    logger,
    newId: randomUUID,
    openVerification: false,
    quotaSink: { write: async () => undefined, keepAlive: async () => undefined },
    creditStore: new MemoryCreditStore(),
    secretActivator: { activate: async () => undefined },
    nonceStore: { claim: async () => true },
    signatureWindow: { windowSeconds: 300, skewSeconds: 60 },
    systemConfig: {},
    ...deps,
  })
  const nameRequest = createRequestNamer(systemRandomBytes)
  const server = createHttpServer({ routes: dataPlane.routes, nameRequest, logger, requestTimeoutMs: 2_000 })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  const baseUrl = `http://127.0.0.1:${port}`

  const verifiers = {
    platformVerifier: await putVerifier(backing, TENANT_PLATFORM, 'platform'),
    acmeVerifier: await putVerifier(backing, keyRecord().tenantId, 'acme'),
    globexVerifier: await putVerifier(backing, TENANT_GLOBEX, 'globex'),
  }
  return {
    ...verifiers,
    baseUrl,
    port,
    clock,
    dataPlane,
    logged,
    put: backing.put,
    readRequestCount: backing.readRequestCount,
    countReads: () => dataPlane.cache.stats.reads,
    ask: (request, verifier = verifiers.platformVerifier) => ask(baseUrl, verifier, request),
    async stop() {
      await server.stop(1_000)
      await dataPlane.stop()
      await backing.close()
    },
  }
}

async function putVerifier(backing: Backing, tenantId: string, tenantSlug: string): Promise<string> {
  const token = newToken('kw')
  const tenantIsPlatform = tenantSlug === 'platform'
  const scopes = ['keyward:verify']
  await backing.put(
    token,
    keyRecord({ tenantId, tenantSlug, tenantIsPlatform, scopes, name: `verifier ${randomUUID()}` }),
  )
  return token
}

/** A string is sent as it is, anything else as JSON. */
async function ask(baseUrl: string, verifier: string, request: unknown): Promise<Answer> {
  const response = await fetch(`${baseUrl}/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${verifier}`, 'content-type': 'application/json' },
    body: typeof request === 'string' ? request : JSON.stringify(request),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) }
}
