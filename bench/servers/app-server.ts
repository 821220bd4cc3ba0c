import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { formatBaseUrl } from '../../src/installation/start-message.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/lib/logger.ts'

/**
 * The whole server as `main.ts` starts it on a given database, with one thing added: asked for `statements`, it says how
 * many statements it has sent that read a key by its token. Settings come from the environment. Prints its address.
 */
const reading = readConfig(process.env)
if (!reading.ok) throw new Error(reading.problems.join(' '))
const { config } = reading
if (config.DATABASE_URL === undefined || config.MASTER_KEY === undefined) throw new Error('A database is needed.')

let statements = 0
const app = await createApp({
  config,
  databaseUrl: config.DATABASE_URL,
  masterKey: config.MASTER_KEY,
  withStarterTenant: false,
  sharesDatabase: true,
  clock: systemClock,
  logger: await createLogger({ level: 'error', format: 'json', destination: process.stderr }),
  onStatement(sql) {
    if (sql.includes('FROM api_key_secrets secret')) statements++
  },
})
process.on('message', (message) => {
  if (message === 'statements') process.send?.(statements)
})
process.stdout.write(`${formatBaseUrl(await app.listen())}\n`)
process.on('SIGTERM', () => void app.stop().finally(() => process.exit()))
