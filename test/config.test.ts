import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Config, readConfig, SETTINGS, summarizeConfig } from '../src/config.ts'

const MASTER_KEY = Buffer.alloc(32, 7).toString('base64')
const VERIFIER_TOKEN = 'kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUV0tyZ62'
const DATABASE_URL = 'postgresql://keyward:secret@db.example.com:5432/keys'

function readGood(env: Record<string, string>): Config {
  const result = readConfig(env)
  if (!result.ok) throw new Error(result.problems.join(' '))
  return result.config
}

function readProblems(env: Record<string, string>): readonly string[] {
  const result = readConfig(env)
  return result.ok ? [] : result.problems
}

describe('without any variable', () => {
  test('every setting has its default', () => {
    expect(readGood({})).toEqual({
      HOST: '127.0.0.1',
      PORT: 4000,
      DATABASE_URL: undefined,
      DATA_DIR: resolve('data'),
      MASTER_KEY: undefined,
      BOOTSTRAP_ADMIN_EMAIL: 'admin@keyward.local',
      BOOTSTRAP_ADMIN_PASSWORD: undefined,
      BOOTSTRAP_VERIFIER_TOKEN: undefined,
      SIGNUP: 'closed',
      ACCESS_TOKEN_SECONDS: 900,
      REFRESH_TOKEN_SECONDS: 604800,
      INVITATION_SECONDS: 604800,
      INVITATION_URL: undefined,
      PASSWORD_RESET_SECONDS: 3600,
      PASSWORD_RESET_URL: undefined,
      LOGIN_WINDOW_SECONDS: 900,
      LOGIN_FAILURES_MAX: 5,
      LOGIN_ADDRESS_FAILURES_MAX: 50,
      LOGIN_DELAY_MAX_MS: 2000,
      VERIFY_AUTH: 'required',
      TRUSTED_PROXIES: [],
      CORS_ORIGINS: [],
      DEFAULT_CONFIG: {},
      OUTBOUND_ALLOWED_RANGES: [],
      GRAPHQL_POINTS_PER_MINUTE: 30_000_000,
      GRAPHQL_ANONYMOUS_POINTS_PER_MINUTE: 1_000_000,
      PERSISTED_OPERATIONS: 'optional',
      PERSISTED_OPERATIONS_FILE: undefined,
      KEY_NOTICE_DAYS: [14, 7, 1],
      LEAK_REPORT_KEYS_FILE: undefined,
      LOG_LEVEL: 'info',
      LOG_FORMAT: 'auto',
      VERIFY_STALE_SECONDS: 900,
      VERIFY_CACHE_KEYS: 30_000,
      VERIFY_UNKNOWN_LOOKUPS_PER_SECOND: 50,
      VERIFY_UNKNOWN_LOOKUPS_BURST: 500,
      FAILED_AUTHENTICATIONS_PER_MINUTE: 60,
      SIGNATURE_WINDOW_SECONDS: 300,
      SIGNATURE_SKEW_SECONDS: 60,
      DRAIN_SECONDS: 10,
    })
  })

  test('a variable that is set to nothing counts as not set', () => {
    const empty = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']))
    expect(readGood(empty)).toEqual(readGood({}))
    expect(summarizeConfig(empty)).toEqual({})
  })

  test('variables of others are not looked at', () => {
    expect(readGood({ PATH: '/bin', port: '1', KEYWARD: 'x' })).toEqual(readGood({}))
  })
})

describe('a good value', () => {
  test.each<[string, string, unknown]>([
    ['HOST', '::', '::'],
    ['PORT', '0', 0],
    ['PORT', '65535', 65_535],
    ['DATA_DIR', 'some/folder', resolve('some/folder')],
    ['MASTER_KEY', MASTER_KEY, Buffer.alloc(32, 7)],
    ['BOOTSTRAP_ADMIN_EMAIL', 'root@example.com', 'root@example.com'],
    ['BOOTSTRAP_ADMIN_PASSWORD', 'ten chars!', 'ten chars!'],
    ['BOOTSTRAP_VERIFIER_TOKEN', VERIFIER_TOKEN, VERIFIER_TOKEN],
    ['VERIFY_AUTH', 'open', 'open'],
    ['TRUSTED_PROXIES', '10.0.0.0/8, ::1,192.0.2.7', ['10.0.0.0/8', '::1', '192.0.2.7']],
    ['TRUSTED_PROXIES', '10.1.2.3/8', ['10.0.0.0/8']],
    [
      'CORS_ORIGINS',
      'https://app.example.com,http://localhost:3000',
      ['https://app.example.com', 'http://localhost:3000'],
    ],
    ['GRAPHQL_POINTS_PER_MINUTE', '1', 1],
    ['GRAPHQL_ANONYMOUS_POINTS_PER_MINUTE', '2147483647', 2_147_483_647],
    ['PERSISTED_OPERATIONS_FILE', 'operations.json', resolve('operations.json')],
    ['INVITATION_URL', 'https://app.example.com/join#{token}', 'https://app.example.com/join#{token}'],
    ['PASSWORD_RESET_URL', 'http://localhost:5173/reset?t={token}', 'http://localhost:5173/reset?t={token}'],
    ['LEAK_REPORT_KEYS_FILE', 'keys.json', resolve('keys.json')],
    ['LOG_LEVEL', 'debug', 'debug'],
    ['LOG_FORMAT', 'pretty', 'pretty'],
    ['VERIFY_STALE_SECONDS', '0', 0],
    ['VERIFY_UNKNOWN_LOOKUPS_PER_SECOND', '100000', 100_000],
    ['FAILED_AUTHENTICATIONS_PER_MINUTE', '1000', 1000],
    ['DRAIN_SECONDS', '300', 300],
  ])('%s=%s is understood', (name, given, expected) => {
    expect(readGood({ [name]: given })).toHaveProperty(name, expected)
  })

  test('a database needs a master key beside it', () => {
    expect(readGood({ DATABASE_URL, MASTER_KEY })).toMatchObject({ DATABASE_URL })
    expect(readProblems({ DATABASE_URL })).toEqual([
      'MASTER_KEY is required with DATABASE_URL; make one with `openssl rand -base64 32` and keep it safe.',
    ])
  })
})

describe('a bad value', () => {
  test.each([
    ['PORT', '65536', 'PORT must be a whole number from 0 to 65535.'],
    ['PORT', '-1', 'PORT must be a whole number from 0 to 65535.'],
    ['PORT', '4000.5', 'PORT must be a whole number from 0 to 65535.'],
    ['PORT', ' 4000', 'PORT must be a whole number from 0 to 65535.'],
    ['PORT', '1e3', 'PORT must be a whole number from 0 to 65535.'],
    [
      'MASTER_KEY',
      'c2hvcnQ=',
      'MASTER_KEY must be the base64 form of 32 bytes; make one with `openssl rand -base64 32`.',
    ],
    ['BOOTSTRAP_ADMIN_EMAIL', 'admin', 'BOOTSTRAP_ADMIN_EMAIL must be an e-mail address.'],
    ['BOOTSTRAP_ADMIN_PASSWORD', 'too short', 'BOOTSTRAP_ADMIN_PASSWORD must have at least 10 characters.'],
    ['BOOTSTRAP_ADMIN_PASSWORD', 'x'.repeat(1025), 'BOOTSTRAP_ADMIN_PASSWORD must have at most 1024 characters.'],
    [
      'BOOTSTRAP_VERIFIER_TOKEN',
      VERIFIER_TOKEN.replace('kw_', 'acme_'),
      'BOOTSTRAP_VERIFIER_TOKEN must be a token of the grammar with the prefix kw.',
    ],
    [
      'BOOTSTRAP_VERIFIER_TOKEN',
      VERIFIER_TOKEN.replace('0tyZ62', '0tyZ63'),
      'BOOTSTRAP_VERIFIER_TOKEN must be a token of the grammar with the prefix kw.',
    ],
    ['VERIFY_AUTH', 'off', 'VERIFY_AUTH must be one of required, open.'],
    [
      'TRUSTED_PROXIES',
      '10.0.0.0/33',
      'TRUSTED_PROXIES has the entry 10.0.0.0/33: The prefix length after "/" is a whole number from 0 to 32, without leading zeros.',
    ],
    [
      'CORS_ORIGINS',
      'https://app.example.com/',
      'CORS_ORIGINS has the entry https://app.example.com/: an origin looks like https://app.example.com, without a path.',
    ],
    [
      'CORS_ORIGINS',
      '*',
      'CORS_ORIGINS has the entry *: an origin looks like https://app.example.com, without a path.',
    ],
    ['GRAPHQL_POINTS_PER_MINUTE', '0', 'GRAPHQL_POINTS_PER_MINUTE must be a whole number from 1 to 2147483647.'],
    ['PERSISTED_OPERATIONS', 'on', 'PERSISTED_OPERATIONS must be one of optional, required.'],
    [
      'PERSISTED_OPERATIONS',
      'required',
      'PERSISTED_OPERATIONS=required needs PERSISTED_OPERATIONS_FILE, or no document could be executed at all.',
    ],
    ['LOG_LEVEL', 'INFO', 'LOG_LEVEL must be one of debug, info, warn, error, fatal, silent.'],
    ['LOG_FORMAT', 'xml', 'LOG_FORMAT must be one of json, pretty, auto.'],
    ['VERIFY_STALE_SECONDS', '86401', 'VERIFY_STALE_SECONDS must be a whole number from 0 to 86400.'],
    [
      'FAILED_AUTHENTICATIONS_PER_MINUTE',
      '1001',
      'FAILED_AUTHENTICATIONS_PER_MINUTE must be a whole number from 1 to 1000.',
    ],
    ['VERIFY_UNKNOWN_LOOKUPS_BURST', '0', 'VERIFY_UNKNOWN_LOOKUPS_BURST must be a whole number from 1 to 1000000.'],
    ['DRAIN_SECONDS', '0', 'DRAIN_SECONDS must be a whole number from 1 to 300.'],
  ])('%s=%s is a problem with a sentence', (name, given, problem) => {
    expect(readProblems({ [name]: given })).toEqual([problem])
  })

  test.each(['mysql://host/db', 'db.example.com', 'postgresql://[broken/db'])('DATABASE_URL=%s is a problem', (url) => {
    expect(readProblems({ DATABASE_URL: url, MASTER_KEY })).toEqual([
      'DATABASE_URL must look like postgresql://user:password@host:5432/database.',
    ])
  })
})

describe('a page that takes a token', () => {
  test.each([
    ['https://app.example.com/join', 'must hold {token} once, where the token goes'],
    ['https://app.example.com/{token}/{token}', 'must hold {token} once, where the token goes'],
    ['/join/{token}', 'must be a URL such as https://app.example.com/join#{token}'],
    ['https://{token}.example.com/', 'must hold {token} after the host'],
    ['https://{token}', 'must hold {token} after the host'],
    ['https://me:{token}@example.com/', 'must not hold a user or a password'],
    ['http://app.example.com/{token}', 'must begin with https, or with http://localhost'],
    ['http://localhost.example.com/{token}', 'must begin with https, or with http://localhost'],
    // Opaque: what it would lead to is not a page.
    ['javascript:alert("{token}")', 'must begin with https, or with http://localhost'],
  ])('%s is a problem', (url, detail) => {
    expect(readProblems({ INVITATION_URL: url })).toEqual([`INVITATION_URL ${detail}.`])
    expect(readProblems({ PASSWORD_RESET_URL: url })).toEqual([`PASSWORD_RESET_URL ${detail}.`])
  })

  test.each(['http://localhost:3000/{token}', 'http://127.0.0.1/?t={token}', 'http://[::1]:8080/#{token}'])(
    '%s is understood',
    (url) => expect(readGood({ INVITATION_URL: url }).INVITATION_URL).toBe(url),
  )
})

describe('days of notices', () => {
  test('are whole numbers, each once', () => {
    expect(readGood({ KEY_NOTICE_DAYS: '30, 3,30,007' }).KEY_NOTICE_DAYS).toEqual([30, 3, 7])
  })
  test.each(['0', '366', '-1', '1.5', 'a week'])('%s is a problem', (entry) => {
    expect(readProblems({ KEY_NOTICE_DAYS: `1,${entry}` })).toEqual([
      `KEY_NOTICE_DAYS has the entry ${entry}: a number of days is whole and from 1 to 365.`,
    ])
  })
  test('are at most ten', () => {
    expect(readProblems({ KEY_NOTICE_DAYS: '1,2,3,4,5,6,7,8,9,10,11' })).toEqual([
      'KEY_NOTICE_DAYS has more than 10 entries.',
    ])
  })
})

test('all problems are reported at once, each entry of a list for itself, also what is missing', () => {
  const problems = readProblems({
    PORT: 'x',
    DATABASE_URL: 'x',
    TRUSTED_PROXIES: 'one,10.0.0.0/8,two',
    CORS_ORIGINS: 'three',
    DRAIN_SECONDS: 'x',
  })
  expect(problems.map((problem) => problem.split(' ', 5).join(' ').replace(/:.*/, ''))).toEqual([
    'PORT must be a whole',
    'DATABASE_URL must look like postgresql',
    'TRUSTED_PROXIES has the entry one',
    'TRUSTED_PROXIES has the entry two',
    'CORS_ORIGINS has the entry three',
    'DRAIN_SECONDS must be a whole',
    'MASTER_KEY is required with DATABASE_URL;',
  ])
})

test('no problem repeats a secret', () => {
  const secrets = Object.entries(SETTINGS).filter(([, setting]) => 'secret' in setting)
  expect(secrets.map(([name]) => name)).toEqual([
    'DATABASE_URL',
    'MASTER_KEY',
    'BOOTSTRAP_ADMIN_PASSWORD',
    'BOOTSTRAP_VERIFIER_TOKEN',
  ])
  for (const [name] of secrets) {
    const problems = readProblems({ [name]: 'hush' })
    expect(problems, name).not.toEqual([])
    expect(problems.join(' ')).not.toContain('hush')
  }
})

test('the summary tells what was given, and of secrets only that they were', () => {
  const summary = summarizeConfig({
    PORT: '4001',
    DATABASE_URL,
    MASTER_KEY,
    BOOTSTRAP_ADMIN_PASSWORD: 'correct horse',
    BOOTSTRAP_VERIFIER_TOKEN: VERIFIER_TOKEN,
    HOME: '/root',
    LOG_LEVEL: '',
  })
  expect(summary).toEqual({
    PORT: '4001',
    DATABASE_URL: '[redacted]',
    MASTER_KEY: '[redacted]',
    BOOTSTRAP_ADMIN_PASSWORD: '[redacted]',
    BOOTSTRAP_VERIFIER_TOKEN: '[redacted]',
  })
})
