import { fileURLToPath } from 'node:url'
import { createApp } from './app.ts'
import { type Config, readConfig, summarizeConfig } from './config.ts'
import { DatabaseError } from './db/database-error.ts'
import { startEmbeddedDatabase } from './db/embedded/embedded-database.ts'
import { applyMigrations } from './db/migrations.ts'
import { requireMigrated } from './db/require-migrated.ts'
import { formatFirstStart, formatUrls } from './installation/start-message.ts'
import { systemClock } from './lib/clock.ts'
import { createLogger, type Logger } from './lib/logger.ts'
import { loadOrCreateMasterKey } from './secrets/master-key.ts'

const schemaPath = fileURLToPath(new URL('../prisma/schema.prisma', import.meta.url))
const migrationsDir = fileURLToPath(new URL('../prisma/migrations', import.meta.url))

interface Database {
  readonly url: string
  readonly masterKey: Uint8Array
  readonly isEmbedded: boolean
  stop(): Promise<void>
}

async function openDatabase(config: Config, logger: Logger): Promise<Database> {
  const { DATABASE_URL: url, MASTER_KEY: masterKey } = config
  if (url !== undefined && masterKey !== undefined) {
    await requireMigrated(url, migrationsDir)
    return { url, masterKey, isEmbedded: false, stop: async () => {} }
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
    return {
      url: embedded.serverUrl,
      masterKey: masterKey ?? (await loadOrCreateMasterKey(config.DATA_DIR)),
      isEmbedded: true,
      stop: () => embedded.stop(),
    }
  } catch (error) {
    await embedded.stop()
    throw error
  }
}

async function main(): Promise<void> {
  const result = readConfig(process.env)
  if (!result.ok) {
    process.stderr.write(`The settings are not right:\n${result.problems.map((problem) => `  ${problem}\n`).join('')}`)
    process.exitCode = 1
    return
  }
  const { config } = result
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

  const { address, port } = await app.listen().catch(async (error: unknown) => {
    await app.stop()
    await database.stop()
    throw error
  })
  const baseUrl = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  process.stdout.write(formatUrls(baseUrl))
  if (app.firstStart !== null) process.stdout.write(formatFirstStart(baseUrl, app.firstStart))
}

main().catch((error: unknown) => {
  // What was foreseen is told in a sentence; only a surprise deserves a stack trace.
  const foreseen = error instanceof DatabaseError || (error instanceof Error && 'syscall' in error)
  process.stderr.write(`${foreseen ? (error as Error).message : String((error as Error).stack ?? error)}\n`)
  process.exit(1)
})
