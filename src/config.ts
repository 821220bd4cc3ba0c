import { resolve } from 'node:path'
import { z } from 'zod'
import { parseSystemConfig } from './configs/system-config.ts'
import { ACTOR_POINTS_DEFAULT, ADDRESS_POINTS_DEFAULT } from './graphql/limits.ts'
import { parseToken } from './keys/token.ts'
import { parseMasterKey } from './secrets/master-key.ts'
import { PLATFORM_KEY_PREFIX } from './tenants/tenant-rules.ts'
import { findTokenLinkFault } from './users/token-link.ts'
import { parseIpRange } from './verify/access/ip-range.ts'
import {
  FAILED_AUTHENTICATIONS_DEFAULT,
  FAILED_AUTHENTICATIONS_MAX,
} from './verify/authentication/failed-authentication-limit.ts'
import { CACHE_KEYS_DEFAULT, CACHE_KEYS_MAX, CACHE_KEYS_MIN } from './verify/cache/cache-size.ts'
import {
  UNKNOWN_LOOKUPS_BURST_DEFAULT,
  UNKNOWN_LOOKUPS_PER_SECOND_DEFAULT,
} from './verify/cache/unknown-lookup-budget.ts'
import {
  SIGNATURE_SKEW_SECONDS_DEFAULT,
  SIGNATURE_SKEW_SECONDS_MAX,
  SIGNATURE_WINDOW_SECONDS_DEFAULT,
  SIGNATURE_WINDOW_SECONDS_MAX,
  SIGNATURE_WINDOW_SECONDS_MIN,
} from './verify/signature/signature-window.ts'

/** One environment variable: what it means, in which form it comes, and whether its value may be shown. */
interface Setting<T> {
  readonly description: string
  /** What it is when it is not set, in words for people. */
  readonly fallback: string
  readonly secret?: true
  readonly parse: z.ZodType<T, string | undefined>
}

const list = (text: string | undefined) =>
  (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

const wholeNumber = (min: number, max: number, fallback: number) =>
  z
    .string()
    .optional()
    .refine((text) => text === undefined || (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max), {
      error: `must be a whole number from ${min} to ${max}`,
    })
    .transform((text) => (text === undefined ? fallback : Number(text)))

const choice = <const T extends readonly [string, ...string[]]>(values: T, fallback: T[number]) =>
  z
    .string()
    .optional()
    .transform((text) => text ?? fallback)
    .pipe(z.enum(values, { error: `must be one of ${values.join(', ')}` }))

const text = (fallback: string) => z.string().default(fallback)

/** A list whose every entry has to pass; each one that does not is a problem of its own. */
const listOf = (readEntry: (entry: string) => { readonly value: string } | { readonly fault: string }) =>
  z
    .string()
    .optional()
    .transform((given, context) => {
      const values: string[] = []
      for (const entry of list(given)) {
        const read = readEntry(entry)
        if ('value' in read) values.push(read.value)
        else context.addIssue(`has the entry ${entry}: ${read.fault}`)
      }
      return values
    })

function readProxy(entry: string) {
  const range = parseIpRange(entry)
  return range.ok ? { value: range.value.text } : { fault: range.detail }
}

function readOrigin(entry: string) {
  const isOrigin = URL.canParse(entry) && new URL(entry).origin === entry
  return isOrigin ? { value: entry } : { fault: 'an origin looks like https://app.example.com, without a path' }
}

/** The address of a page with a place for a token in it. */
const tokenLink = () =>
  z
    .string()
    .optional()
    .superRefine((template, context) => {
      const fault = template === undefined ? null : findTokenLinkFault(template)
      if (fault !== null) context.addIssue(fault)
    })

const LIMIT_MAX = 2_147_483_647

function noticeDays() {
  return listOf((entry) =>
    /^\d{1,3}$/.test(entry) && Number(entry) >= 1 && Number(entry) <= 365
      ? { value: String(Number(entry)) }
      : { fault: 'a number of days is whole and from 1 to 365' },
  )
    .refine((days) => days.length <= NOTICE_DAYS_MAX, { error: `has more than ${NOTICE_DAYS_MAX} entries` })
    .transform((days) => (days.length === 0 ? NOTICE_DAYS_DEFAULT : [...new Set(days)].map(Number)))
}

const NOTICE_DAYS_MAX = 10
const NOTICE_DAYS_DEFAULT = [14, 7, 1]
const DAY_SECONDS = 86_400

/** The one table of settings. The README's table is held against it by a test. */
export const SETTINGS = {
  HOST: { description: 'Address to listen on.', fallback: '127.0.0.1', parse: text('127.0.0.1') },
  PORT: {
    description: 'Port to listen on; 0 takes any free one.',
    fallback: '4000',
    parse: wholeNumber(0, 65_535, 4000),
  },
  DATABASE_URL: {
    description: 'PostgreSQL, version 15 or newer.',
    fallback: 'an embedded PostgreSQL in `DATA_DIR`',
    secret: true,
    parse: z
      .string()
      .optional()
      .refine((url) => url === undefined || (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)), {
        error: 'must look like postgresql://user:password@host:5432/database',
      }),
  },
  DATA_DIR: {
    description: 'Folder of the embedded database.',
    fallback: '`./data`',
    parse: text('./data').transform((path) => resolve(path)),
  },
  MASTER_KEY: {
    description: 'Base64 of 32 bytes; seals what must be read back. Required with `DATABASE_URL`.',
    fallback: 'made once, in `DATA_DIR`',
    secret: true,
    parse: z
      .string()
      .optional()
      .transform((value, context) => {
        if (value === undefined) return undefined
        const key = parseMasterKey(value)
        if (key !== null) return key
        context.addIssue('must be the base64 form of 32 bytes; make one with `openssl rand -base64 32`')
        return z.NEVER
      }),
  },
  BOOTSTRAP_ADMIN_EMAIL: {
    description: 'First start only: e-mail of the admin.',
    fallback: '`admin@keyward.local`',
    parse: z.email({ error: 'must be an e-mail address' }).default('admin@keyward.local'),
  },
  BOOTSTRAP_ADMIN_PASSWORD: {
    description: 'First start only: password of the admin, at least 10 characters.',
    fallback: 'made and printed once',
    secret: true,
    parse: z
      .string()
      .min(10, { error: 'must have at least 10 characters' })
      .max(1024, { error: 'must have at most 1024 characters' })
      .optional(),
  },
  BOOTSTRAP_VERIFIER_TOKEN: {
    description: "First start only: token of the platform's verifier.",
    fallback: 'made and printed once',
    secret: true,
    parse: z
      .string()
      .optional()
      .refine((token) => token === undefined || parseToken(token)?.prefix === PLATFORM_KEY_PREFIX, {
        error: `must be a token of the grammar with the prefix ${PLATFORM_KEY_PREFIX}`,
      }),
  },
  SIGNUP: {
    description: '`open` lets everybody who reaches the server make an account, and tenants of their own.',
    fallback: '`closed`',
    parse: choice(['closed', 'open'], 'closed'),
  },
  ACCESS_TOKEN_SECONDS: {
    description: 'How long an access token of a session counts: a minute to a day.',
    fallback: '900',
    parse: wholeNumber(60, DAY_SECONDS, 900),
  },
  REFRESH_TOKEN_SECONDS: {
    description: 'How long a session goes on that nobody refreshes: up to a year.',
    fallback: '604800',
    parse: wholeNumber(60, 365 * DAY_SECONDS, 7 * DAY_SECONDS),
  },
  INVITATION_SECONDS: {
    description: 'How long an invitation can be accepted: up to a year.',
    fallback: '604800',
    parse: wholeNumber(60, 365 * DAY_SECONDS, 7 * DAY_SECONDS),
  },
  INVITATION_URL: {
    description:
      'Page of yours on which an invitation is accepted, such as `https://app.example.com/join#{token}`: `memberInvite` answers with the link.',
    fallback: 'none: the token alone',
    parse: tokenLink(),
  },
  PASSWORD_RESET_SECONDS: {
    description: 'How long a token counts by which a person chooses a new password: a minute to a day.',
    fallback: '3600',
    parse: wholeNumber(60, DAY_SECONDS, 3600),
  },
  PASSWORD_RESET_URL: {
    description: 'The same for the page on which a person chooses a new password.',
    fallback: 'none: the token alone',
    parse: tokenLink(),
  },
  LOGIN_WINDOW_SECONDS: {
    description: 'How long a failed login counts: a minute to a day.',
    fallback: '900',
    parse: wholeNumber(60, DAY_SECONDS, 900),
  },
  LOGIN_FAILURES_MAX: {
    description: 'Failed logins to one account from one address that lock the account for that address.',
    fallback: '5',
    parse: wholeNumber(1, 1000, 5),
  },
  LOGIN_ADDRESS_FAILURES_MAX: {
    description: 'Failed logins from one address, after which it gets one attempt in ten seconds.',
    fallback: '50',
    parse: wholeNumber(1, 100_000, 50),
  },
  LOGIN_DELAY_MAX_MS: {
    description: 'How long answers about an account are held back at most that was guessed at from many addresses.',
    fallback: '2000',
    parse: wholeNumber(0, 10_000, 2000),
  },
  VERIFY_AUTH: {
    description: '`open` lets everybody who reaches the port verify every key: for private networks alone.',
    fallback: '`required`',
    parse: choice(['required', 'open'], 'required'),
  },
  TRUSTED_PROXIES: {
    description: 'Addresses and CIDRs of proxies whose `X-Forwarded-For` is believed, separated by commas.',
    fallback: 'none',
    parse: listOf(readProxy),
  },
  DEFAULT_CONFIG: {
    description:
      'What holds where neither tenant nor key says otherwise, as JSON with the fields of `TenantConfigInput`.',
    fallback: 'unlimited and open, with warnings at 80 percent',
    parse: z
      .string()
      .optional()
      .transform((given, context) => {
        const reading = parseSystemConfig(given)
        if (reading.ok) return reading.config
        for (const fault of reading.faults) context.addIssue(fault)
        return z.NEVER
      }),
  },
  OUTBOUND_ALLOWED_RANGES: {
    description:
      'Private addresses and CIDRs that URLs of customers may lead to, also by plain http, separated by commas.',
    fallback: 'none: public addresses alone, by https',
    parse: listOf(readProxy),
  },
  CORS_ORIGINS: {
    description: 'Origins whose pages may use GraphQL, separated by commas.',
    fallback: 'none but our own',
    parse: listOf(readOrigin),
  },
  GRAPHQL_POINTS_PER_MINUTE: {
    description:
      'Points that one person or key may spend on GraphQL in any minute; see [docs/graphql.md](docs/graphql.md).',
    fallback: String(ACTOR_POINTS_DEFAULT),
    parse: wholeNumber(1, LIMIT_MAX, ACTOR_POINTS_DEFAULT),
  },
  GRAPHQL_ANONYMOUS_POINTS_PER_MINUTE: {
    description: 'The same for all callers of one address together who have not said who they are.',
    fallback: String(ADDRESS_POINTS_DEFAULT),
    parse: wholeNumber(1, LIMIT_MAX, ADDRESS_POINTS_DEFAULT),
  },
  PERSISTED_OPERATIONS: {
    description: '`required` executes no GraphQL document but those of `PERSISTED_OPERATIONS_FILE`.',
    fallback: '`optional`',
    parse: choice(['optional', 'required'], 'optional'),
  },
  PERSISTED_OPERATIONS_FILE: {
    description:
      'JSON file of GraphQL documents by the SHA-256 of their text; clients may send the hash in their place.',
    fallback: 'none',
    parse: z
      .string()
      .optional()
      .transform((path) => (path === undefined ? undefined : resolve(path))),
  },
  KEY_NOTICE_DAYS: {
    description:
      'Days before a key expires, or must be rotated, at which that is told; up to 10 numbers from 1 to 365.',
    fallback: '14,7,1',
    parse: noticeDays(),
  },
  LEAK_REPORT_KEYS_FILE: {
    description:
      'JSON file of the public keys of reports to `POST /leaks`, as https://api.github.com/meta/public_keys/secret_scanning answers.',
    fallback: 'none: no reports are taken',
    parse: z
      .string()
      .optional()
      .transform((path) => (path === undefined ? undefined : resolve(path))),
  },
  LOG_LEVEL: {
    description: 'Least severity that is logged: `debug`, `info`, `warn`, `error`, `fatal` or `silent`.',
    fallback: '`info`',
    parse: choice(['debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info'),
  },
  LOG_FORMAT: {
    description: '`json` for machines, `pretty` for people.',
    fallback: '`pretty` at a terminal, otherwise `json`',
    parse: choice(['json', 'pretty', 'auto'], 'auto'),
  },
  VERIFY_STALE_SECONDS: {
    description: 'How long a key that was known may be answered while the database is away.',
    fallback: '900',
    parse: wholeNumber(0, 86_400, 900),
  },
  VERIFY_UNKNOWN_LOOKUPS_PER_SECOND: {
    description: 'Tokens that nobody knows and one verifier may have looked up, on average; more are answered 503.',
    fallback: '50',
    parse: wholeNumber(1, 100_000, UNKNOWN_LOOKUPS_PER_SECOND_DEFAULT),
  },
  VERIFY_UNKNOWN_LOOKUPS_BURST: {
    description: 'The same at once, after a quiet time.',
    fallback: '500',
    parse: wholeNumber(1, 1_000_000, UNKNOWN_LOOKUPS_BURST_DEFAULT),
  },
  FAILED_AUTHENTICATIONS_PER_MINUTE: {
    description:
      'Requests without a valid token of a verifier, or signature of a report, that one address may send; more are answered 429.',
    fallback: '60',
    parse: wholeNumber(1, FAILED_AUTHENTICATIONS_MAX, FAILED_AUTHENTICATIONS_DEFAULT),
  },
  VERIFY_CACHE_KEYS: {
    description:
      'Keys that are kept in memory for verification, at about 2.5 KB each; see [docs/performance.md](docs/performance.md).',
    fallback: String(CACHE_KEYS_DEFAULT),
    parse: wholeNumber(CACHE_KEYS_MIN, CACHE_KEYS_MAX, CACHE_KEYS_DEFAULT),
  },
  SIGNATURE_WINDOW_SECONDS: {
    description: 'How old a signed request may be, and for how long its nonce is remembered: 5 seconds to 30 days.',
    fallback: '300',
    parse: wholeNumber(SIGNATURE_WINDOW_SECONDS_MIN, SIGNATURE_WINDOW_SECONDS_MAX, SIGNATURE_WINDOW_SECONDS_DEFAULT),
  },
  SIGNATURE_SKEW_SECONDS: {
    description: 'How far the clock of a signer may differ from ours, at most an hour.',
    fallback: '60',
    parse: wholeNumber(0, SIGNATURE_SKEW_SECONDS_MAX, SIGNATURE_SKEW_SECONDS_DEFAULT),
  },
  DRAIN_SECONDS: {
    description: 'How long requests under way may take to finish after SIGTERM.',
    fallback: '10',
    parse: wholeNumber(1, 300, 10),
  },
} as const satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof SETTINGS

export type Config = { readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]['parse']> }

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] }

const schema = z.object(
  Object.fromEntries(Object.entries(SETTINGS).map(([name, { parse }]) => [name, parse])),
) as unknown as z.ZodType<Config, Record<string, string | undefined>>

const MASTER_KEY_MISSING =
  'MASTER_KEY is required with DATABASE_URL; make one with `openssl rand -base64 32` and keep it safe.'

const OPERATIONS_MISSING =
  'PERSISTED_OPERATIONS=required needs PERSISTED_OPERATIONS_FILE, or no document could be executed at all.'

/** Reads every setting and reports every problem at once. A variable that is set to nothing counts as not set. */
export function readConfig(env: NodeJS.ProcessEnv): ConfigResult {
  const given = Object.fromEntries(
    Object.keys(SETTINGS).map((name) => [name, env[name] === '' ? undefined : env[name]]),
  )
  const result = schema.safeParse(given)
  const problems = (result.error?.issues ?? []).map(({ path, message }) => asSentence(`${path.join('.')} ${message}`))
  if (given.DATABASE_URL !== undefined && given.MASTER_KEY === undefined) problems.push(MASTER_KEY_MISSING)
  if (given.PERSISTED_OPERATIONS === 'required' && given.PERSISTED_OPERATIONS_FILE === undefined) {
    problems.push(OPERATIONS_MISSING)
  }
  return result.success && problems.length === 0 ? { ok: true, config: result.data } : { ok: false, problems }
}

function asSentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

/** The settings that were given, for the log; of secrets only that they were. */
export function summarizeConfig(env: NodeJS.ProcessEnv): Record<string, string> {
  const given: [string, string][] = []
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const value = env[name]
    if (value !== undefined && value !== '') given.push([name, 'secret' in setting ? '[redacted]' : value])
  }
  return Object.fromEntries(given)
}
