import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEM } from '../../src/actors/actor.ts'
import type { CommandRunner } from '../../src/commands/command-runner.ts'
import { KeywardError } from '../../src/errors/keyward-error.ts'
import type { OpenApiDocument } from '../../src/http/openapi-document.ts'
import { hashToken } from '../../src/keys/token.ts'
import type { FindFoundSecrets } from '../../src/leaks/found-secret-store.ts'
import { createLeakReports } from '../../src/leaks/handle-leak-report.ts'
import { FINDINGS_MAX } from '../../src/leaks/parse-leak-report.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send } from '../harness/client.ts'
import { createManualClock } from '../harness/manual-clock.ts'
import { findSchemaFaults } from '../http/schema-faults.ts'
import { createScanner, finding, type ReportOptions, type Scanner } from './report-sender.ts'

let app: TestApp
let scanner: Scanner
let document: OpenApiDocument
beforeAll(async () => {
  scanner = await createScanner()
  app = await startTestApp({
    env: {
      LEAK_REPORT_KEYS_FILE: scanner.keysFile,
      TRUSTED_PROXIES: '127.0.0.1',
      FAILED_AUTHENTICATIONS_PER_MINUTE: '5',
    },
  })
  document = JSON.parse((await send(app, '/openapi.json')).text)
})
afterAll(() => app.stop())

let addresses = 0
/** Each test comes from an address of its own. */
const elsewhere = () => ({ 'x-forwarded-for': `198.51.100.${++addresses}` })

/** The demo key is reported with every bad report, and lives on. */
const reportDemo = (options: ReportOptions) => scanner.report(app, [finding(app.firstStart.demoToken ?? '')], options)

describe('a report that is not signed', () => {
  test.each([
    ['names no key', { 'Github-Public-Key-Identifier': '' }],
    ['names a key that does not count', { 'Github-Public-Key-Identifier': 'previous' }],
    ['names another key than it is signed by', { 'Github-Public-Key-Identifier': 'next' }],
    ['has no signature', { 'Github-Public-Key-Signature': '' }],
    ['has a signature that is none', { 'Github-Public-Key-Signature': 'nonsense' }],
    ['has the signature of another body', () => scanner.sign('[]')],
  ])('because it %s is refused, and nothing happens', async (_, given) => {
    const headers = { ...(typeof given === 'function' ? given() : given), ...elsewhere() }
    const answer = await reportDemo({ headers })
    expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } })
    expect(answer.headers.get('www-authenticate')).not.toBeNull()
    expect(await app.query(`SELECT FROM outbox_events WHERE type = 'api_key.leaked'`)).toEqual([])
  })

  test('is answered 429 from an address that sent too many, where one that is signed still counts', async () => {
    const headers = elsewhere()
    const bad = { ...headers, ...scanner.sign('other') }
    for (let count = 0; count < 5; count++) expect((await reportDemo({ headers: bad })).status).toBe(401)
    const limited = await reportDemo({ headers: bad })
    expect(limited).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } })
    expect(limited.headers.get('retry-after')).toBe('60')
    expect((await scanner.report(app, [], { headers })).status).toBe(200)
    expect((await reportDemo({ headers: { ...bad, ...elsewhere() } })).status).toBe(401)
    app.clock.advance(60_000)
    expect((await reportDemo({ headers: bad })).status).toBe(401)
  })

  test('is not even read when its headers say so', async () => {
    const headers = { 'Github-Public-Key-Identifier': 'previous', ...elsewhere() }
    expect((await scanner.report(app, 'x'.repeat(1_048_577), { headers })).status).toBe(401)
  })
})

describe('a report that is signed', () => {
  test.each([
    ['nothing', '', 400, 'MALFORMED_BODY'],
    ['no JSON', '[{', 400, 'MALFORMED_BODY'],
    ['an object', '{}', 400, 'VALIDATION_FAILED'],
    ['null', 'null', 400, 'VALIDATION_FAILED'],
    ['a finding without a token', [{ type: 'a' }], 400, 'VALIDATION_FAILED'],
    ['1001 findings', Array(FINDINGS_MAX + 1).fill(finding('x')), 400, 'VALIDATION_FAILED'],
    ['1001 levels', '['.repeat(1_001) + ']'.repeat(1_001), 400, 'VALIDATION_FAILED'],
    ['more than a megabyte', [finding('x'.repeat(1_048_577))], 413, 'BODY_TOO_LARGE'],
  ])('and holds %s is refused', async (_, body, status, code) => {
    const answer = await scanner.report(app, body, { headers: elsewhere() })
    expect(answer).toMatchObject({ status, body: { code } })
    const [content] = Object.values(document.paths['/leaks']?.post?.responses[status]?.content ?? {})
    expect(findSchemaFaults(document, content?.schema ?? { const: 'nothing' }, answer.body)).toEqual([])
  })

  test('says where the fault is', async () => {
    const { body } = await scanner.report(app, [finding('x'), finding('x', { token: 1 })])
    expect(body).toMatchObject({ errors: [{ pointer: '#/1/token' }] })
  })

  test.each([{ 'content-type': 'text/plain' }, { 'content-encoding': 'gzip' }])('as %o is refused', async (headers) => {
    const answer = await scanner.report(app, [], { headers: { ...headers, ...elsewhere() } })
    expect(answer).toMatchObject({ status: 415, body: { code: 'UNSUPPORTED_MEDIA_TYPE' } })
  })
})

test('other methods are told which one there is', async () => {
  const answer = await send(app, '/leaks')
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
})

test('a server without keys takes no reports, and says why', async () => {
  const bare = await startTestApp()
  try {
    const answer = await scanner.report(bare, [finding(bare.firstStart.demoToken ?? '')])
    expect(answer).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND', detail: 'This server takes no reports: LEAK_REPORT_KEYS_FILE is not set.' },
    })
  } finally {
    await bare.stop()
  }
})

describe('a report that cannot be handled now', () => {
  const nobody = { actor: SYSTEM, origin: { ip: null, userAgent: null, correlationId: 'test' } }
  const place = { source: 'commit', url: null }
  const findings = ['a', 'b'].map((token) => ({ token, type: 'keyward', place }))
  const live = {
    secretId: '01900000-0000-7000-8000-000000000001',
    key: { expiresAt: null, disabledAt: null, revokedAt: null },
    secret: { activatedAt: new Date(0), retiresAt: null, leakedAt: null },
    tenantConfig: {},
  }
  const later = () => performance.now() + 60_000

  function handle(find: FindFoundSecrets, run: CommandRunner['run'], endAt = later()): Promise<unknown> {
    const reports = createLeakReports({
      find,
      commands: { run },
      systemConfig: {},
      clock: createManualClock(),
      logger: { info: () => {} },
    })
    return reports.handle(findings, nobody, endAt).catch((error: unknown) => error)
  }

  const findBoth: FindFoundSecrets = async (hashes) => new Map(hashes.map((hash) => [hash, live]))
  const mustNotRun = async (): Promise<never> => {
    throw new Error('Nothing was to be run.')
  }
  const gone = async (): Promise<never> => {
    throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  }
  const lost = async (): Promise<never> => {
    throw Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' })
  }

  test.each([
    ['the database is away', lost, mustNotRun],
    ['the database goes away meanwhile', findBoth, lost],
  ])('because %s is to be sent again', async (_, find, run) => {
    expect(await handle(find, run)).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 5 })
  })

  test('because its time is over is to be sent again', async () => {
    expect(await handle(findBoth, mustNotRun, performance.now())).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('is not one whose keys were deleted meanwhile', async () => {
    const feedback = ['a', 'b'].map((token) => ({ token_hash: hashToken(token), label: 'true_positive' }))
    expect(await handle(findBoth, gone)).toMatchObject(feedback)
  })

  test('because of what nobody planned is a failure of ours', async () => {
    expect(await handle(findBoth, mustNotRun)).toEqual(new Error('Nothing was to be run.'))
  })
})
