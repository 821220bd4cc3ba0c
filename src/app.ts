import { randomUUIDv7 } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import packageJson from '../package.json' with { type: 'json' }
import { createCommandRunner } from './commands/command-runner.ts'
import { purgeRememberedRequests } from './commands/idempotency-store.ts'
import { INVALIDATION_CHANNEL, type Invalidation, parseInvalidations } from './commands/invalidation.ts'
import type { Config } from './config.ts'
import { createChangeListener } from './db/change-listener.ts'
import { createPrisma } from './db/client.ts'
import { isGone, isUnavailable } from './db/database-failures.ts'
import { createPool } from './db/pool.ts'
import { createTransactionRunner } from './db/transaction.ts'
import { listGraphQLMetrics } from './graphql/graphql-metrics.ts'
import { createGraphQLRoute } from './graphql/graphql-route.ts'
import { createLargeBodyReader } from './graphql/large-body.ts'
import { loadOperationManifest } from './graphql/operation-manifest-file.ts'
import { createPersistedOperations } from './graphql/persisted-operations.ts'
import { createPoints } from './graphql/points.ts'
import { createClientIp } from './http/client-ip.ts'
import { createGuardedClient } from './http/guarded-client.ts'
import { createHealthRoutes } from './http/health.ts'
import { createMetricsRoute } from './http/metrics.ts'
import { createRestDocumentationRoutes } from './http/openapi.ts'
import { createRequestNamer } from './http/request-id.ts'
import { createHttpServer } from './http/server.ts'
import type { FirstStart } from './installation/first-start.ts'
import { setUpInstallation } from './installation/set-up.ts'
import type { UnseenCredentials } from './installation/unseen-credentials.ts'
import { createSecretActivator } from './keys/activate-secret.ts'
import { createCreditStore } from './keys/credit-store.ts'
import { createKeyJobs, listKeyJobMetrics } from './keys/jobs.ts'
import { createKeyCommands } from './keys/key-commands.ts'
import { createKeySource } from './keys/key-source.ts'
import { createNonceStore } from './keys/nonce-store.ts'
import { openPrivateMetadata } from './keys/private-metadata.ts'
import { createFindFoundSecrets } from './leaks/found-secret-store.ts'
import { createLeakReports, listLeakMetrics } from './leaks/handle-leak-report.ts'
import { createLeaksRoute } from './leaks/leaks-route.ts'
import { loadReportKeys } from './leaks/report-keys-file.ts'
import type { Clock } from './lib/clock.ts'
import type { Logger } from './lib/logger.ts'
import { createPeriodicWork } from './lib/periodic.ts'
import { type RandomBytes, systemRandomBytes } from './lib/random.ts'
import { createOpenApiCommands } from './openapi/openapi-commands.ts'
import { createOperationSource } from './openapi/operation-store.ts'
import { schema } from './schema.ts'
import { createEnvelope } from './secrets/envelope.ts'
import { loadPrefixDirectory } from './tenants/prefix-directory.ts'
import { createTenantCommands } from './tenants/tenant-commands.ts'
import { createQuotaStore } from './usage/quota-store.ts'
import { createUsageStore } from './usage/usage-store.ts'
import { createAccessTokens } from './users/access-tokens.ts'
import { createAuthenticate } from './users/authenticate.ts'
import { createJwksRoute } from './users/jwks-route.ts'
import { createLoginGuard } from './users/login-guard.ts'
import { createPasswords } from './users/passwords.ts'
import { purgePeople } from './users/purge-people.ts'
import { findAccessTokenKey } from './users/signing-key-store.ts'
import { createUserCommands } from './users/user-commands.ts'
import { createDataPlane } from './verify/data-plane.ts'
import { listDataPlaneMetrics } from './verify/data-plane-metrics.ts'
import { DENIAL_DETAILS } from './verify/verdict-code.ts'

export interface AppOptions {
  readonly config: Config
  /** Address of a database that is migrated. */
  readonly databaseUrl: string
  readonly masterKey: Uint8Array
  readonly withStarterTenant: boolean
  /** Where the credentials of the first start wait until they are shown. */
  readonly unseenCredentials?: UnseenCredentials
  readonly clock: Clock
  readonly logger: Logger
  /** Where tokens come from; the system's generator when absent. */
  readonly randomBytes?: RandomBytes
  /** Whether other servers may work on the database, whose changes must be heard. */
  readonly sharesDatabase: boolean
  /** Sees every statement that goes to the database. */
  readonly onStatement?: (sql: string) => void
}

export interface App {
  /** What is shown once; null when the installation was there already. */
  readonly firstStart: FirstStart | null
  listen(): Promise<AddressInfo>
  /** Writes what is counted now instead of within a second. */
  flushUsage(): Promise<void>
  /** Does what is due for keys by themselves now instead of within a minute; nothing while another server is at it. */
  runKeyJobs(): Promise<void>
  /** Clears away what is over now instead of within a minute. */
  purge(): Promise<void>
  /** Stops accepting, finishes what is under way, writes what is counted, lets go of the database. May be called again. */
  stop(): Promise<void>
}

const PREFIX_RELOAD_MS = 5_000

/** Given up when the check is: a health check that hangs must not take a connection each time it is asked for. */
const PING = { text: 'SELECT 1', query_timeout: 2_000 }

/** Puts the rooms together. Nothing else knows all of them, and nothing happens here but wiring. */
export async function createApp(options: AppOptions): Promise<App> {
  const { config, clock, logger } = options
  const newId = randomUUIDv7
  const randomBytes = options.randomBytes ?? systemRandomBytes
  const nodeId = newId()
  const manifest = await loadOperationManifest(config.PERSISTED_OPERATIONS_FILE)
  const reportKeys = await loadReportKeys(config.LEAK_REPORT_KEYS_FILE)

  const pool = createPool({
    url: options.databaseUrl,
    log: logger,
    ...(options.onStatement && { onStatement: options.onStatement }),
  })
  const prisma = createPrisma(pool)
  const envelope = createEnvelope(options.masterKey)
  const systemConfig = config.DEFAULT_CONFIG
  const prefixes = await loadPrefixDirectory(prisma)

  const nonces = createNonceStore({
    pool,
    onPurgeFailure: (error) => logger.warn({ err: error }, 'Nonces that are over could not be cleared away.'),
  })
  const dataPlane = createDataPlane({
    keySource: createKeySource({ pool, envelope, nodeId }),
    operationSource: createOperationSource(pool),
    usageSink: createUsageStore(pool),
    quotaSink: createQuotaStore(pool, nodeId, newId),
    creditStore: createCreditStore(pool, newId),
    secretActivator: { activate: (secret) => secretActivator.activate(secret) },
    nonceStore: nonces,
    signatureWindow: { windowSeconds: config.SIGNATURE_WINDOW_SECONDS, skewSeconds: config.SIGNATURE_SKEW_SECONDS },
    systemConfig,
    isIssuedPrefix: prefixes.isIssued,
    clock,
    logger,
    newId,
    openVerification: config.VERIFY_AUTH === 'open',
    trustedProxies: config.TRUSTED_PROXIES,
    unknownLookups: {
      ratePerSecond: config.VERIFY_UNKNOWN_LOOKUPS_PER_SECOND,
      burst: config.VERIFY_UNKNOWN_LOOKUPS_BURST,
    },
    failedAuthenticationsPerMinute: config.FAILED_AUTHENTICATIONS_PER_MINUTE,
    staleMaxMs: config.VERIFY_STALE_SECONDS * 1000,
    cacheKeys: config.VERIFY_CACHE_KEYS,
  })

  function invalidate(invalidation: Invalidation): void {
    switch (invalidation.kind) {
      case 'key':
        dataPlane.cache.evictKey(invalidation.apiKeyId)
        dataPlane.limits.revokeLease(invalidation.apiKeyId)
        break
      case 'tenant':
        dataPlane.cache.evictTenant(invalidation.tenantId)
        break
      case 'token':
        dataPlane.cache.evictToken(invalidation.hash)
        break
      case 'prefix':
        prefixes.add(invalidation.prefix)
        break
      case 'importedPrefix':
        prefixes.addImported(invalidation.prefix)
        break
      case 'unknown':
        dataPlane.cache.evictUnknown()
        break
    }
  }

  let platformTenantId = ''
  const commands = createCommandRunner({
    prisma,
    runInTransaction: createTransactionRunner({ prisma }),
    clock,
    newId,
    randomBytes,
    envelope,
    platformTenantId: () => platformTenantId,
    nodeId,
    invalidate,
  })
  const secretActivator = createSecretActivator({ commands, newId, evictKey: dataPlane.cache.evictKey })

  /** Until it succeeds, tokens with a wrong checksum are looked up too, which is slower and never wrong. */
  function reloadPrefixes(): void {
    prefixes.reload().catch((error: unknown) => {
      logger.warn({ err: error }, 'The prefixes of tokens could not be read; it is tried again.')
      setTimeout(reloadPrefixes, PREFIX_RELOAD_MS).unref()
    })
  }

  const changes = createChangeListener({
    url: options.databaseUrl,
    channel: INVALIDATION_CHANNEL,
    log: logger,
    onMessage(payload) {
      const invalidations = parseInvalidations(nodeId, payload)
      if (invalidations === null) dataPlane.cache.evictAll()
      else for (const invalidation of invalidations) invalidate(invalidation)
    },
    onSilence() {
      dataPlane.cache.distrust()
      prefixes.distrust()
    },
    onSound() {
      dataPlane.cache.trust()
      reloadPrefixes()
    },
  })

  const loginWindowMs = config.LOGIN_WINDOW_SECONDS * 1000
  async function purge(): Promise<void> {
    await purgeRememberedRequests(pool, clock.now())
    await purgePeople(pool, clock.now(), loginWindowMs)
  }
  const purgeWork = createPeriodicWork({
    intervalMs: 60_000,
    run: purge,
    onFailure: (error) => logger.warn({ err: error }, 'What is over could not be cleared away; it is tried again.'),
  })

  const passwords = createPasswords()
  const keyCommands = createKeyCommands({ envelope, systemConfig })
  const keyJobs = createKeyJobs({
    pool,
    commands,
    keyCommands,
    envelope,
    systemConfig,
    clock,
    logger,
    newId,
    noticeDays: config.KEY_NOTICE_DAYS,
  })
  const keyWork = createPeriodicWork({
    intervalMs: 60_000,
    run: keyJobs.runOnce,
    onFailure: (error) => logger.warn({ err: error }, 'What is due for keys was not done; it is tried again.'),
  })
  const openApi = createOpenApiCommands({
    client: createGuardedClient({ allowedRanges: config.OUTBOUND_ALLOWED_RANGES }),
  })
  const setUp = await setUpInstallation(
    {
      prisma,
      commands,
      passwords,
      envelope,
      keyCommands,
      newId,
      randomBytes,
      unseen: options.unseenCredentials ?? null,
    },
    {
      adminEmail: config.BOOTSTRAP_ADMIN_EMAIL,
      adminPassword: config.BOOTSTRAP_ADMIN_PASSWORD,
      verifierToken: config.BOOTSTRAP_VERIFIER_TOKEN,
      withStarterTenant: options.withStarterTenant,
    },
  )
  platformTenantId = setUp.platformTenantId

  const accessTokenKey = await findAccessTokenKey(prisma, envelope)
  if (accessTokenKey === null) throw new Error('The database holds no key to sign access tokens with.')
  const accessTokens = await createAccessTokens(accessTokenKey, clock, config.ACCESS_TOKEN_SECONDS)
  const authenticate = createAuthenticate({
    accessTokens,
    authenticateManager: dataPlane.authenticateManager,
    prisma,
    clock,
  })
  const guard = createLoginGuard({
    prisma,
    clock,
    newId,
    wait: sleep,
    limits: {
      windowMs: loginWindowMs,
      pairFailuresMax: config.LOGIN_FAILURES_MAX,
      sourceFailuresMax: config.LOGIN_ADDRESS_FAILURES_MAX,
      delayMaxMs: config.LOGIN_DELAY_MAX_MS,
    },
  })
  const signupIsOpen = config.SIGNUP === 'open'
  const userCommands = createUserCommands({
    passwords,
    guard,
    accessTokens,
    refreshTokenTtlMs: config.REFRESH_TOKEN_SECONDS * 1000,
    invitationTtlMs: config.INVITATION_SECONDS * 1000,
    invitationUrl: config.INVITATION_URL,
    passwordResetTtlMs: config.PASSWORD_RESET_SECONDS * 1000,
    passwordResetUrl: config.PASSWORD_RESET_URL,
    signupIsOpen,
    platformTenantId: () => platformTenantId,
  })
  const clientIp = createClientIp(config.TRUSTED_PROXIES)

  const points = createPoints({
    clock,
    perActor: config.GRAPHQL_POINTS_PER_MINUTE,
    perAddress: config.GRAPHQL_ANONYMOUS_POINTS_PER_MINUTE,
  })
  const largeBodies = createLargeBodyReader()
  const graphql = createGraphQLRoute({
    schema,
    commands,
    services: {
      clock,
      prisma,
      userCommands,
      tenantCommands: createTenantCommands({ signupIsOpen }),
      keyCommands,
      openApi,
      systemConfig,
      openPrivateMetadata: (apiKeyId, sealed) => openPrivateMetadata(envelope, apiKeyId, sealed),
      leasedCredits: dataPlane.limits.leasedCredits,
    },
    identify: async (req, correlationId) => ({
      actor: await authenticate(req),
      origin: { ip: clientIp(req), userAgent: req.headers['user-agent'] ?? null, correlationId },
    }),
    corsOrigins: config.CORS_ORIGINS,
    points,
    operations: createPersistedOperations(manifest, config.PERSISTED_OPERATIONS === 'required'),
    largeBodies,
    logger,
    isUnavailable,
    isGone,
  })

  const leakReports = createLeakReports({ find: createFindFoundSecrets(pool), commands, systemConfig, clock, logger })
  const leaks = createLeaksRoute({
    keys: reportKeys,
    handle: leakReports.handle,
    failures: dataPlane.authenticationFailures,
    clientIp,
    clock,
  })

  const routes = [
    ...dataPlane.routes,
    leaks,
    ...createHealthRoutes({ database: async () => void (await pool.query(PING)) }),
    createJwksRoute([accessTokens.publicJwk]),
    createMetricsRoute([
      ...listDataPlaneMetrics(dataPlane),
      ...listGraphQLMetrics(points),
      ...listKeyJobMetrics(keyJobs.counts),
      ...listLeakMetrics(leakReports.counts),
    ]),
    graphql,
  ]
  const documentation = createRestDocumentationRoutes({
    version: packageJson.version,
    paths: routes.map(({ path }) => path),
    verdictCodes: { ...DENIAL_DETAILS, VALID: 'The key may do what was asked.' },
  })

  const server = createHttpServer({
    routes: [...routes, ...documentation],
    nameRequest: createRequestNamer(randomBytes),
    logger,
  })

  // Before that nothing is in memory that could be wrong.
  if (options.sharesDatabase) {
    prefixes.distrust()
    await changes.start()
  }

  let stopping: Promise<void> | null = null
  async function stop(): Promise<void> {
    await server.stop(config.DRAIN_SECONDS * 1000)
    await changes.stop()
    await dataPlane.stop()
    await nonces.settle()
    await purgeWork.stop()
    await keyJobs.stop()
    await keyWork.stop()
    await Promise.all([passwords.stop(), largeBodies.stop()])
    await prisma.$disconnect()
    await pool.end()
  }

  return {
    firstStart: setUp.firstStart,
    async listen() {
      const address = await server.listen({ host: config.HOST, port: config.PORT })
      dataPlane.start()
      purgeWork.start()
      keyWork.start()
      return address
    },
    flushUsage: () => dataPlane.flush(),
    runKeyJobs: keyJobs.runOnce,
    purge,
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}
