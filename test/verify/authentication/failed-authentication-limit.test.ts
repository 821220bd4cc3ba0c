import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { KeywardError } from '../../../src/errors/keyward-error.ts'
import { createClientIp } from '../../../src/http/client-ip.ts'
import type { RequestHead } from '../../../src/http/request-head.ts'
import { hashToken } from '../../../src/keys/token.ts'
import {
  createFailedAuthenticationLimit,
  type FailedAuthenticationLimitOptions,
} from '../../../src/verify/authentication/failed-authentication-limit.ts'
import { createVerifierAuthentication } from '../../../src/verify/authentication/verifier.ts'
import { createFindSnapshot } from '../../../src/verify/cache/find-snapshot.ts'
import { createSnapshotCache } from '../../../src/verify/cache/snapshot-cache.ts'
import type { KeySource } from '../../../src/verify/ports.ts'
import { createManualClock, type ManualClock } from '../../harness/manual-clock.ts'
import {
  compileSnapshot,
  createControlledKeySource,
  createMemoryKeySource,
  keyRecord,
  type MemoryKeySource,
  newToken,
  settle,
} from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { askForward } from '../routes/forward-client.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'

const MALLORY = '198.51.100.66'
const ALICE = '203.0.113.7'
const FAILURES_MAX = 60

let clock: ManualClock
let source: MemoryKeySource

beforeEach(() => {
  clock = createManualClock()
  source = createMemoryKeySource()
})

function requestFrom(ip: string): RequestHead {
  return { headers: {}, socket: { remoteAddress: ip } }
}

function open(keySource: KeySource = source, options: Partial<FailedAuthenticationLimitOptions> = {}) {
  const cache = createSnapshotCache({ source: keySource, clock, compileSnapshot })
  const failures = createFailedAuthenticationLimit({
    load: cache.load,
    clientIp: createClientIp([]),
    clock,
    ...options,
  })
  const find = createFindSnapshot<RequestHead>({
    cache,
    isIssuedPrefix: (prefix) => prefix === 'kw',
    lookUp: failures.lookUp,
  })
  const authentication = createVerifierAuthentication({
    find,
    failures,
    noteFirstUse: async () => undefined,
    clientIp: createClientIp([]),
  })

  /** What a request from the address is answered: 200 stands for being let in. */
  async function ask(ip: string, token = newToken('kw')): Promise<number> {
    try {
      await authentication.authenticate(`Bearer ${token}`, clock.now(), requestFrom(ip))
      return 200
    } catch (error) {
      if (error instanceof KeywardError) return error.spec.status
      throw error
    }
  }
  async function askEach(ip: string, count: number): Promise<number[]> {
    const answers: number[] = []
    for (let asked = 0; asked < count; asked++) answers.push(await ask(ip))
    return answers
  }
  return { cache, failures, authentication, ask, askEach }
}

function putVerifier(): string {
  const token = newToken('kw')
  source.put(token, keyRecord({ scopes: ['keyward:verify'] }))
  return token
}

const times = (status: number, count: number): number[] => Array.from({ length: count }, () => status)

describe('an address that fails', () => {
  test('gets 60 answers of 401 in a minute, then 429 with the time to wait, which is true', async () => {
    const { ask, askEach, authentication } = open()
    expect(await askEach(MALLORY, FAILURES_MAX)).toEqual(times(401, FAILURES_MAX))
    clock.advance(10_500)
    expect(await askEach(MALLORY, 20)).toEqual(times(429, 20))
    const refusal = await Promise.resolve()
      .then(() => authentication.authenticate(undefined, clock.now(), requestFrom(MALLORY)))
      .catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 50 })
    clock.advance(49_499)
    expect(await ask(MALLORY)).toBe(429)
    clock.advance(1)
    expect(await ask(MALLORY)).toBe(401)
  })

  test('never gets more than 60 in any minute, however it spreads them', async () => {
    const { ask } = open()
    const answered: number[] = []
    for (let second = 0; second < 300; second++) {
      for (let attempt = 0; attempt < (second * 7) % 11; attempt++) {
        if ((await ask(MALLORY)) === 401) answered.push(second)
      }
      clock.advance(1000)
    }
    for (let from = 0; from < 300; from++) {
      expect(answered.filter((second) => second >= from && second < from + 60).length).toBeLessThanOrEqual(FAILURES_MAX)
    }
    expect(answered.length).toBeGreaterThanOrEqual(4 * FAILURES_MAX)
  })

  test('fails by sending nothing, or nonsense, as well', async () => {
    const { authentication, ask } = open()
    for (const authorization of [undefined, '', 'Basic dTpw', 'Bearer', 'Bearer  a b']) {
      for (let attempt = 0; attempt < 12; attempt++) {
        expect(() => authentication.authenticate(authorization, clock.now(), requestFrom(MALLORY))).toThrow(/UNAUTH/)
      }
    }
    expect(await ask(MALLORY)).toBe(429)
  })

  test('fails with a key that is revoked, but not with one that lacks the scope', async () => {
    const { ask } = open()
    const [revoked, powerless] = [newToken('kw'), newToken('kw')]
    source.put(revoked, keyRecord({ scopes: ['keyward:verify'], revokedAt: 1 }))
    source.put(powerless, keyRecord())
    for (let attempt = 0; attempt < 100; attempt++) expect(await ask(MALLORY, powerless)).toBe(403)
    for (let attempt = 0; attempt < FAILURES_MAX; attempt++) expect(await ask(MALLORY, revoked)).toBe(401)
    expect(await ask(MALLORY, revoked)).toBe(429)
    expect(await ask(MALLORY, powerless)).toBe(403)
  })

  test('does not fail while the database is down', async () => {
    const { ask, askEach } = open()
    source.isDown = true
    expect(await askEach(MALLORY, 100)).toEqual(times(503, 100))
    source.isDown = false
    expect(await ask(MALLORY)).toBe(401)
  })

  test('takes nothing from another address', async () => {
    const { ask, askEach } = open()
    await askEach(MALLORY, 100)
    expect(await ask(ALICE)).toBe(401)
  })

  test.each([
    ['one customer’s IPv6 network', '2001:db8:1:2::1', '2001:db8:1:2:ffff::9', 429],
    ['another network', '2001:db8:1:2::1', '2001:db8:1:3::1', 401],
    ['an IPv4 address seen through an IPv6 socket', '198.51.100.66', '::ffff:198.51.100.66', 429],
  ])('is counted as what it is: %s', async (_, first, second, status) => {
    const { ask, askEach } = open()
    await askEach(first, FAILURES_MAX)
    expect(await ask(second)).toBe(status)
  })

  test('is not locked out when the clock is set, back or forth', async () => {
    const { ask, askEach } = open()
    await askEach(MALLORY, FAILURES_MAX)
    clock.advance(-86_400_000)
    expect(await ask(MALLORY)).toBe(401)
    await askEach(MALLORY, FAILURES_MAX)
    clock.advance(86_400_000)
    expect(await ask(MALLORY)).toBe(401)
  })
})

describe('a good verifier', () => {
  test('is let in from an address that fails, in memory or not', async () => {
    const { ask, askEach } = open()
    const [warm, cold] = [putVerifier(), putVerifier()]
    await ask(MALLORY, warm)
    await askEach(MALLORY, 200)
    expect([await ask(MALLORY, warm), await ask(MALLORY, cold), await ask(MALLORY)]).toEqual([200, 200, 429])
  })

  test('is let in when it is not in memory and the address floods at the same time', async () => {
    const { ask, askEach } = open()
    await askEach(MALLORY, FAILURES_MAX)
    const flood = Array.from({ length: 200 }, () => ask(MALLORY))
    expect(await ask(MALLORY, putVerifier())).toBe(200)
    expect(new Set(await Promise.all(flood))).toEqual(new Set([429]))
  })

  test('asked about a thousand times at once costs one read, also from an address that fails', async () => {
    const { ask, askEach } = open()
    const fresh = putVerifier()
    const fromAlice = Array.from({ length: 1_000 }, () => ask(ALICE, fresh))
    expect(new Set(await Promise.all(fromAlice))).toEqual(new Set([200]))
    expect(source.readCount).toBe(1)
    await askEach(MALLORY, FAILURES_MAX)
    const before = source.readCount
    const cold = putVerifier()
    const fromMallory = Array.from({ length: 1_000 }, () => ask(MALLORY, cold))
    expect(new Set(await Promise.all(fromMallory))).toEqual(new Set([200]))
    expect(source.readCount - before).toBe(1)
  })

  test('is never answered 429, even when there is no room: it is told to come back', async () => {
    const { pending, ...controlled } = createControlledKeySource()
    const { ask, askEach } = open(controlled)
    const failing = askEach(MALLORY, FAILURES_MAX)
    for (let read = 0; read < FAILURES_MAX; read++) {
      await settle()
      pending.shift()?.answer(null)
    }
    await failing
    const flood = Array.from({ length: 250 }, () => ask(MALLORY))
    await settle()
    expect(await ask(MALLORY, 'good')).toBe(503)
    let ended = false
    const all = Promise.all(flood).finally(() => (ended = true))
    while (!ended) {
      pending.shift()?.answer(null)
      await settle()
    }
    expect(new Set(await all)).toEqual(new Set([429]))
    const retry = ask(MALLORY, 'good')
    await settle()
    pending.shift()?.answer(keyRecord({ scopes: ['keyward:verify'] }))
    expect(await retry).toBe(200)
  })
})

describe('look-ups of tokens that are not in memory', () => {
  /** Fills the address's count of failures with requests that need no look-up. */
  async function fail(authentication: ReturnType<typeof open>['authentication'], ip: string): Promise<void> {
    for (let attempt = 0; attempt < FAILURES_MAX; attempt++) {
      expect(() => authentication.authenticate(undefined, clock.now(), requestFrom(ip))).toThrow()
    }
  }

  test('are 60 at once for an address, counting those under way, and 4 beside them for all that went too far', async () => {
    const { pending, ...controlled } = createControlledKeySource()
    const { ask, failures } = open(controlled)
    const flood = Array.from({ length: 1_000 }, () => ask(MALLORY))
    await settle()
    expect(pending).toHaveLength(FAILURES_MAX + 4)
    // 250 may wait or be under way in the lane; the others are told to come back.
    expect(failures.stats.refused).toBe(1_000 - FAILURES_MAX - 250)
    while (failures.stats.limited < 250 || pending.length > 0) {
      pending.shift()?.answer(null)
      await settle()
    }
    const counts = Object.groupBy(await Promise.all(flood), (status) => status)
    expect([counts[401]?.length, counts[429]?.length, counts[503]?.length]).toEqual([60, 250, 690])
  })

  test('are bounded over any number of addresses', async () => {
    const { pending, ...controlled } = createControlledKeySource()
    const { ask } = open(controlled)
    for (let address = 0; address < 900; address++) ask(`10.0.${address >> 8}.${address & 255}`)
    await settle()
    expect(pending).toHaveLength(64 + 4)
  })

  test('wait two seconds at most, should the database hang', async () => {
    const { pending, ...controlled } = createControlledKeySource()
    const { ask, authentication } = open(controlled)
    await fail(authentication, MALLORY)
    const flood = Array.from({ length: 100 }, () => ask(MALLORY))
    await settle()
    expect(pending).toHaveLength(4)
    clock.advance(2_001)
    for (const read of pending) read.answer(null)
    const counts = Object.groupBy(await Promise.all(flood), (status) => status)
    expect([counts[429]?.length, counts[503]?.length]).toEqual([4, 96])
    expect(pending).toHaveLength(4)
  })

  test('of one address leave room in the queue for another one', async () => {
    const { pending, ...controlled } = createControlledKeySource()
    const { ask, authentication } = open(controlled)
    await fail(authentication, MALLORY)
    await fail(authentication, ALICE)
    for (let asked = 0; asked < 1_000; asked++) ask(MALLORY)
    await settle()
    const good = ask(ALICE, 'good')
    let reads = 0
    for (let read = pending.shift(); read !== undefined; read = pending.shift()) {
      reads++
      read.answer(read.tokenHash === hashToken('good') ? keyRecord({ scopes: ['keyward:verify'] }) : null)
      await settle()
    }
    expect(await good).toBe(200)
    expect(reads).toBe(250 + 1)
  })

  test('of a wrong checksum do not happen', async () => {
    const { ask } = open()
    for (let asked = 0; asked < 100; asked++) await ask(MALLORY, newToken('kw').replace(/.{6}$/, '000000'))
    expect(source.readCount).toBe(0)
  })
})

test('of addresses, a bounded number is remembered', async () => {
  const { failures, authentication } = open(source, { addressesMax: 100 })
  for (let address = 0; address < 5_000; address++) {
    const req = requestFrom(`10.0.${address >> 8}.${address & 255}`)
    expect(() => authentication.authenticate(undefined, clock.now(), req)).toThrow()
  }
  expect(failures.stats.addressCount).toBe(100)
})

describe('over HTTP', () => {
  let fixture: VerifyFixture
  beforeAll(async () => {
    fixture = await startVerifyFixture(createMemoryBacking(), { trustedProxies: ['127.0.0.1'] })
  })
  afterAll(() => fixture.stop())

  const from = (ip: string) => ['X-Forwarded-For', ip] as const

  test('a proxy with a bad verifier is answered 429 as problem details with Retry-After, one with a good verifier is not', async () => {
    const stranger = ['X-Keyward-Verifier', 'stranger'] as const
    for (let attempt = 0; attempt < FAILURES_MAX; attempt++) {
      expect((await askForward({ port: fixture.port, headers: [from(MALLORY), stranger] })).status).toBe(401)
    }
    const { status, headers, text } = await askForward({ port: fixture.port, headers: [from(MALLORY), stranger] })
    expect(status).toBe(429)
    expect(headers).toMatchObject({
      'content-type': 'application/problem+json',
      'retry-after': '60',
      'x-keyward-code': 'RATE_LIMITED',
    })
    expect(JSON.parse(text)).toMatchObject({ status: 429, code: 'RATE_LIMITED' })

    const token = newToken()
    await fixture.put(token, keyRecord())
    const good = ['X-Keyward-Verifier', fixture.platformVerifier] as const
    const admitted = await askForward({ port: fixture.port, headers: [from(MALLORY), good, ['X-API-Key', token]] })
    expect(admitted.status).toBe(204)
    expect((await askForward({ port: fixture.port, headers: [from(ALICE), stranger] })).status).toBe(401)
  })

  test.each(['/verify', '/verify/batch', '/verify/signature'])(
    'a stranger is answered 429 from the same count by %s',
    async (path) => {
      const response = await fetch(fixture.baseUrl + path, {
        method: 'POST',
        headers: { authorization: 'Bearer stranger', 'x-forwarded-for': MALLORY },
      })
      expect(response.status).toBe(429)
      expect(response.headers.get('retry-after')).toBe('60')
    },
  )
})
