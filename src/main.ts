import { fileURLToPath } from 'node:url'
import { createApp } from './app.ts'
import { type Config, readConfig, summarizeConfig } from './config.ts'
import { startEmbeddedDatabase } from './db/embedded/embedded-database.ts'
import { applyMigrations } from './db/migrations.ts'
import { requireMigrated } from './db/require-migrated.ts'
import { explainStartFailure } from './installation/start-failure.ts'
import { formatBaseUrl, formatFirstStart, formatUrls } from './installation/start-message.ts'
import { createUnseenCredentials, type UnseenCredentials } from './installation/unseen-credentials.ts'
import { systemClock } from './lib/clock.ts'
import { createLogger, type Logger } from './lib/logger.ts'
import { createEnvelope } from './secrets/envelope.ts'
import { loadOrCreateMasterKey } from './secrets/master-key.ts'

const schemaPath = fileURLToPath(new URL('../prisma/schema.prisma', import.meta.url))
const migrationsDir = fileURLToPath(new URL('../prisma/migrations', import.meta.url))

interface Database {
  readonly url: string
  readonly masterKey: Uint8Array
  readonly isEmbedded: boolean
  /** There is none where there is no data folder. */
  readonly unseen: UnseenCredentials | null
  stop(): Promise<void>
}

async function openDatabase(config: Config, logger: Logger): Promise<Database> {
  const { DATABASE_URL: url, MASTER_KEY: masterKey } = config
  if (url !== undefined && masterKey !== undefined) {
    await requireMigrated(url, migrationsDir)
    return { url, masterKey, isEmbedded: false, unseen: null, stop: async () => {} }
  }
  const embedded = await startEmbeddedDatabase({
    dataDir: config.DATA_DIR,
    log: logger,
    onLost(error) {
      logger.fatal({ err: error }, 'The embedded database is lost; the server ends.')
      process.exit(1)
    },
  })
  try {
    await applyMigrations({ url: embedded.ownerUrl, migrationsDir, schemaPath })
    const key = masterKey ?? (await loadOrCreateMasterKey(config.DATA_DIR))
    return {
      url: embedded.serverUrl,
      masterKey: key,
      isEmbedded: true,
      unseen: createUnseenCredentials(config.DATA_DIR, createEnvelope(key)),
      stop: () => embedded.stop(),
    }
  } catch (error) {
    await embedded.stop()
    throw error
  }
}

async function main(config: Config): Promise<void> {
  const isTerminal = process.stderr.isTTY === true
  const format = config.LOG_FORMAT === 'auto' ? (isTerminal ? 'pretty' : 'json') : config.LOG_FORMAT
  const logger = await createLogger({ level: config.LOG_LEVEL, format, destination: process.stderr })
  logger.info({ settings: summarizeConfig(process.env) }, 'Keyward starts.')
  if (config.VERIFY_AUTH === 'open') {
    logger.warn('VERIFY_AUTH=open: whoever reaches the port can verify every key. Use it on private networks alone.')
  }

  const database = await openDatabase(config, logger)
  const app = await createApp({
    config,
    databaseUrl: database.url,
    masterKey: database.masterKey,
    withStarterTenant: database.isEmbedded,
    sharesDatabase: !database.isEmbedded,
    ...(database.unseen && { unseenCredentials: database.unseen }),
    clock: systemClock,
    logger,
  }).catch(async (error: unknown) => {
    await database.stop()
    throw error
  })

  async function stop(signal: NodeJS.Signals): Promise<void> {
    logger.info({ signal }, 'Keyward stops.')
    await app.stop()
    await database.stop()
    logger.info('Keyward has stopped.')
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stop(signal).then(
        () => process.exit(0),
        (error: unknown) => {
          logger.fatal({ err: error }, 'Keyward could not stop in order.')
          process.exit(1)
        },
      )
    })
  }

  const address = await app.listen().catch(async (error: unknown) => {
    await app.stop()
    await database.stop()
    throw error
  })
  const baseUrl = formatBaseUrl(address)
  process.stdout.write(formatUrls(baseUrl))
  if (app.firstStart !== null) {
    process.stdout.write(formatFirstStart(baseUrl, app.firstStart, config))
    await database.unseen?.forget()
  }
}

const reading = readConfig(process.env)
if (reading.ok) {
  main(reading.config).catch((error: unknown) => {
    const surprise = error instanceof Error ? error.stack : String(error)
    process.stderr.write(`${explainStartFailure(error, reading.config) ?? surprise}\n`)
    process.exit(1)
  })
} else {
  process.stderr.write(`The settings are not right:\n${reading.problems.map((problem) => `  ${problem}\n`).join('')}`)
  process.exitCode = 1
}
