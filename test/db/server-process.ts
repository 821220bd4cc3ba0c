/**
 * A server reduced to its embedded database, to be killed. Started with the options as JSON; says one line of JSON when
 * the database is there or was refused; stops when its input says so.
 */
import { startEmbeddedDatabase } from '../../src/db/embedded/embedded-database.ts'

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
try {
  const { stop, ...database } = await startEmbeddedDatabase({
    ...JSON.parse(process.argv[2] ?? '{}'),
    log: quiet,
    onLost: (error) => say({ lost: error.message }),
  })
  say(database)
  process.stdin.once('data', async () => {
    await stop()
    process.exit(0)
  })
} catch (error) {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  say({ refused: { code, message: error instanceof Error ? error.message : String(error) } })
  process.exitCode = 1
}
