import type { IncomingMessage } from 'node:http'
import { createClientIp } from '../http/client-ip.ts'
import type { Route } from '../http/router.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import { createFailedAuthenticationLimit, type FailedAuthenticationStats } from './failed-authentication-limit.ts'
import { createFindSnapshot } from './find-snapshot.ts'
import type { KeySource, UsageSink } from './ports.ts'
import { createSnapshotCache, type SnapshotCache } from './snapshot-cache.ts'
import { createUsageRecorder, type UsageRecorder } from './usage-recorder.ts'
import { createVerdictCounts, type VerdictCounts } from './verdict.ts'
import { createVerifierAuthentication, openAuthentication } from './verifier.ts'
import { createVerify } from './verify.ts'
import { createVerifyRoute } from './verify-route.ts'

/** The parts of the data plane, put together. What they need from outside comes in as ports. */
export interface DataPlane {
  readonly routes: readonly Route[]
  /** To be told of every committed change that can alter a verdict. */
  readonly cache: SnapshotCache
  /** To be started after the server listens and stopped after it has stopped. */
  readonly usage: UsageRecorder
  readonly verdictCounts: Readonly<VerdictCounts>
  readonly failedAuthentications: Readonly<FailedAuthenticationStats>
}

export interface DataPlaneDeps {
  readonly keySource: KeySource
  readonly usageSink: UsageSink
  /** Whether tokens with this prefix are of our making alone; see `FindSnapshotDeps`. */
  readonly isIssuedPrefix: (prefix: string) => boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Makes UUIDs. */
  readonly newId: () => string
  /** Lets everybody verify every key. Only for private networks. */
  readonly openVerification: boolean
  /** Addresses and CIDRs of proxies whose `X-Forwarded-For` is believed; absent: none. */
  readonly trustedProxies?: readonly string[]
  /** How old the last known state of a key may be while the database is unavailable. */
  readonly staleMaxMs?: number
}

export function createDataPlane(deps: DataPlaneDeps): DataPlane {
  const { clock, logger, isIssuedPrefix, trustedProxies = [] } = deps
  const staleness = deps.staleMaxMs === undefined ? {} : { staleMaxMs: deps.staleMaxMs }
  const cache = createSnapshotCache({ source: deps.keySource, clock, ...staleness })
  const find = createFindSnapshot({ cache, isIssuedPrefix })
  const usage = createUsageRecorder({ sink: deps.usageSink, newId: deps.newId, logger })
  const verdictCounts = createVerdictCounts()
  const verify = createVerify({ find, usage, counts: verdictCounts })
  const failures = createFailedAuthenticationLimit({
    load: cache.load,
    clientIp: createClientIp(trustedProxies),
    clock,
  })
  const findVerifier = createFindSnapshot<IncomingMessage | undefined>({
    cache,
    isIssuedPrefix,
    lookUp: (tokenHash, now, req) =>
      req === undefined ? cache.load(tokenHash, now) : failures.lookUp(tokenHash, now, req),
  })
  const authentication = deps.openVerification
    ? openAuthentication
    : createVerifierAuthentication({ find: findVerifier, failures })
  const routes = [createVerifyRoute({ authentication, verify, clock, logger })]
  return { routes, cache, usage, verdictCounts, failedAuthentications: failures.stats }
}
