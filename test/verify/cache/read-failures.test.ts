import { afterEach, beforeEach, expect, test } from 'vitest'
import { KeywardError } from '../../../src/errors/keyward-error.ts'
import { hashToken } from '../../../src/keys/token.ts'
import { keyRecord, newToken } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'

let fixture: VerifyFixture
/** What reads of keys other than the verifier's own fail with. */
let failure: Error | null
let verifierReads: number
/** The one token whose reads fail with `failure`; null: all but the verifier's. */
let broken: string | null

beforeEach(async () => {
  failure = null
  verifierReads = 0
  broken = null
  const backing = createMemoryBacking()
  const { findByTokenHash } = backing.source
  backing.source.findByTokenHash = async (hash) => {
    const isBroken = broken === null ? verifierReads > 0 : hash === hashToken(broken)
    if (failure !== null && isBroken) throw failure
    verifierReads++
    return findByTokenHash(hash)
  }
  fixture = await startVerifyFixture(backing)
  expect((await fixture.ask({ key: newToken() })).status).toBe(200)
})
afterEach(() => fixture.stop())

const failuresLogged = () => fixture.logged.filter((line) => JSON.stringify(line).includes('could not be read'))

async function askForUnread(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { status, body } = await fixture.ask({ key: newToken() })
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'UNAVAILABLE' })
  }
}

test('a read that fails for a reason of our own is in the log, once in ten seconds, with how many there were', async () => {
  failure = new Error('column "nmae" does not exist')
  await askForUnread(5)
  expect(failuresLogged()).toEqual([[{ err: failure, failuresBefore: 0 }, expect.any(String)]])
  fixture.clock.advance(10_000)
  await askForUnread(1)
  expect(failuresLogged()).toHaveLength(2)
  expect(failuresLogged()[1]).toEqual([{ err: failure, failuresBefore: 4 }, expect.any(String)])
})

test('a clock that is set back does not keep the log quiet', async () => {
  failure = new Error('a mistake')
  await askForUnread(1)
  fixture.clock.advance(-3_600_000)
  await askForUnread(1)
  expect(failuresLogged()).toHaveLength(2)
})

test('the caller learns nothing of the reason', async () => {
  failure = new Error('column "nmae" does not exist')
  expect((await fixture.ask({ key: keyRecord().keyId })).text).not.toContain('nmae')
})

test('a key that cannot be read makes no answer about another one stale, before or after', async () => {
  failure = new Error('The secret cannot be opened.')
  const token = newToken()
  broken = newToken()
  await fixture.put(token, keyRecord())
  for (let turn = 0; turn < 3; turn++) {
    expect((await fixture.ask({ key: broken })).status).toBe(503)
    expect((await fixture.ask({ key: token })).body).toMatchObject({ code: 'VALID', stale: false })
    fixture.clock.advance(61_000)
  }
})

test('a database that is away is known as such, and told elsewhere', async () => {
  failure = new KeywardError('UNAVAILABLE', 'The database cannot be reached right now.')
  await askForUnread(3)
  expect(failuresLogged()).toEqual([])
})
