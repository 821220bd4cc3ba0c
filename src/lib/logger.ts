import pino from 'pino'

export type Logger = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  child(bindings: Record<string, unknown>): Logger
}

export interface LoggerOptions {
  readonly level: string
  /** `json` for machines, `pretty` for people at a terminal. */
  readonly format: 'json' | 'pretty'
  readonly destination: NodeJS.WritableStream
}

/** Anything that looks like a key, a session or a password must not reach a log, whoever passes it in. */
const REDACTED_PATHS = ['token', 'password', 'authorization', 'accessToken', 'refreshToken', 'secret', 'key'].flatMap(
  (name) => [name, `*.${name}`, `*.*.${name}`],
)

/** Log lines are one JSON object each (or one pretty line); they go to `destination`, never to where answers go. */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const settings: pino.LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    formatters: { level: (label) => ({ level: label }) },
  }
  if (options.format === 'json') return pino(settings, options.destination)
  const { default: pretty } = await import('pino-pretty')
  return pino(settings, pretty({ colorize: true, ignore: 'pid,hostname', destination: options.destination }))
}
