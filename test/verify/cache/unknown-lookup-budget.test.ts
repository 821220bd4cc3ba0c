import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { KeywardError } from '../../../src/errors/keyward-error.ts'
import { hashToken } from '../../../src/keys/token.ts'
import { createFindSnapshot } from '../../../src/verify/cache/find-snapshot.ts'
import type { Verifier } from '../../../src/verify/cache/snapshot.ts'
import { createSnapshotCache } from '../../../src/verify/cache/snapshot-cache.ts'
import {
  createUnknownLookupBudget,
  type UnknownLookupBudgetOptions,
} from '../../../src/verify/cache/unknown-lookup-budget.ts'
import { createManualClock, type ManualClock } from '../../harness/manual-clock.ts'
import {
  compileSnapshot,
  createControlledKeySource,
  createMemoryKeySource,
  keyRecord,
  type MemoryKeySource,
  newToken,
  settle,
  TENANT_ACME,
} from '../key-records.ts'

const RATE = 50
const BURST = 500
const PLATFORM: Verifier = { id: 'platform', tenantId: null }
const ACME: Verifier = { id: 'acme', tenantId: TENANT_ACME }
const GLOBEX: Verifier = { id: 'globex', tenantId: '01900000-0000-7000-8000-00000000000b' }
const INITECH: Verifier = { id: 'initech', tenantId: '01900000-0000-7000-8000-00000000000c' }

const UNKNOWN_TO_ALL: UnknownLookupBudgetOptions['cache'] = {
  load: async () => ({ snapshot: null, stale: false }),
  wasAskedLately: () => false,
  noteAsked: () => undefined,
}

let clock: ManualClock
let source: MemoryKeySource

beforeEach(() => {
  clock = createManualClock()
  source = createMemoryKeySource()
})

function open(
  keySource: Parameters<typeof createSnapshotCache>[0]['source'] = source,
  limits = { ratePerSecond: RATE, burst: BURST },
) {
  const cache = createSnapshotCache({ source: keySource, clock, compileSnapshot, onRead: () => true })
  const budget = createUnknownLookupBudget({ cache, ...limits })
  const find = createFindSnapshot<Verifier>({
    cache,
    isIssuedPrefix: (prefix) => prefix === 'acme',
    lookUp: budget.lookUp,
    admit: budget.admit,
  })
  /** What came of a question: whether there was an answer at all. */
  async function ask(payer: Verifier, token = newToken()): Promise<'known' | 'unknown' | 'refused' | 'failed'> {
    const refused = budget.stats.refused
    try {
      const { snapshot } = await find(token, clock.now(), payer)
      return snapshot === null ? 'unknown' : 'known'
    } catch (error) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 1 })
      return budget.stats.refused > refused ? 'refused' : 'failed'
    }
  }
  const spend = async (payer: Verifier, count: number): Promise<void> => {
    for (let asked = 0; asked < count; asked++) await ask(payer)
  }
  return { cache, budget, find, ask, spend }
}

function putKey(tenantId = TENANT_ACME): string {
  const token = newToken()
  source.put(token, keyRecord({ tenantId }))
  return token
}

describe('unknown tokens', () => {
  test('are looked up until the budget is spent, then refused with the time to wait, and again as it fills', async () => {
    const { ask, spend } = open()
    await spend(ACME, BURST)
    expect(source.readCount).toBe(BURST)
    expect(await ask(ACME)).toBe('refused')
    expect(source.readCount).toBe(BURST)
    clock.advance(1000)
    await spend(ACME, RATE)
    expect(source.readCount).toBe(BURST + RATE)
    expect(await ask(ACME)).toBe('refused')
  })

  test('of one verifier take nothing from another', async () => {
    const { ask, spend } = open()
    await spend(ACME, BURST + 100)
    expect([await ask(ACME), await ask(GLOBEX), await ask(PLATFORM)]).toEqual(['refused', 'unknown', 'unknown'])
  })

  test('that come all at once are bounded as those one after another', async () => {
    const { pending, ...controlled } = createControlledKeySource()
    const { ask } = open(controlled)
    const outcomes = Array.from({ length: 2_000 }, () => ask(ACME))
    await settle()
    expect(pending).toHaveLength(BURST)
    for (const read of pending) read.answer(null)
    const counts = Object.groupBy(await Promise.all(outcomes), (outcome) => outcome)
    expect([counts.unknown?.length, counts.refused?.length]).toEqual([BURST, 2_000 - BURST])
    expect(await ask(ACME)).toBe('refused')
  })

  test('that were looked up lately, have a wrong checksum or are too long cost nothing', async () => {
    const { ask } = open()
    const unknown = newToken()
    const wrong = newToken().replace(/.{6}$/, '000000')
    for (let round = 0; round < 10 * BURST; round++) {
      for (const token of [unknown, wrong, 'x'.repeat(1025)]) expect(await ask(ACME, token)).toBe('unknown')
    }
    expect(source.readCount).toBe(1)
  })

  test('never exceed burst plus rate times time, in whatever pattern they come', async () => {
    const step = fc.record({ waitMs: fc.nat(3_000), count: fc.nat(400), back: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        clock = createManualClock()
        source = createMemoryKeySource()
        const { spend } = open()
        let passedMs = 0
        for (const { waitMs, count, back } of steps) {
          // A clock that is set back earns nothing and takes nothing.
          if (back) clock.advance(-waitMs)
          else {
            clock.advance(waitMs)
            passedMs += waitMs
          }
          const before = source.readCount
          // A clock that is set back and on again while nobody asks was not set at all.
          await spend(ACME, back ? Math.max(1, count) : count)
          expect(source.readCount).toBeLessThanOrEqual(BURST + (passedMs * RATE) / 1000)
          expect(source.readCount - before).toBeGreaterThanOrEqual(
            Math.min(count, back ? 0 : Math.floor((waitMs * RATE) / 1000)),
          )
        }
      }),
      { numRuns: 25 },
    )
  })
})

describe('known tokens', () => {
  test('cost nothing, however many are read for the first time', async () => {
    const { ask, spend } = open()
    await spend(ACME, BURST - 1)
    for (let key = 0; key < 2 * BURST; key++) expect(await ask(ACME, putKey())).toBe('known')
    expect(await ask(ACME)).toBe('unknown')
    expect(await ask(ACME)).toBe('refused')
  })

  test('in memory are found when the budget is spent', async () => {
    const { ask, spend } = open()
    const token = putKey()
    await ask(ACME, token)
    await spend(ACME, BURST)
    expect([await ask(ACME), await ask(ACME, token)]).toEqual(['refused', 'known'])
  })

  test('asked for a thousand times at once are paid for once', async () => {
    const { pending, ...controlled } = createControlledKeySource()
    const { ask } = open(controlled)
    const outcomes = Array.from({ length: 1_000 }, () => ask(ACME, 'imported'))
    await settle()
    expect(pending).toHaveLength(1)
    pending[0]?.answer(keyRecord())
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['known']))
  })

  test('of another tenant cost what unknown ones cost, so that the budget does not tell them apart', async () => {
    const { ask } = open()
    for (let key = 0; key < BURST; key++) await ask(GLOBEX, putKey())
    expect(await ask(GLOBEX)).toBe('refused')
    for (let key = 0; key < BURST; key++) await ask(PLATFORM, putKey())
    expect(await ask(PLATFORM)).toBe('unknown')
  })
})

describe('a key of another tenant that is in memory', () => {
  test('costs a look-up, as one that nobody knows, and as little when it is asked about again at once', async () => {
    const { ask, spend } = open()
    const token = putKey()
    await ask(ACME, token)
    clock.advance(10_000)
    await spend(GLOBEX, BURST - 1)
    const reads = source.readCount
    expect(await ask(GLOBEX, token)).toBe('known')
    expect(await ask(GLOBEX, token)).toBe('known')
    expect(source.readCount).toBe(reads + 1)
    expect(await ask(GLOBEX)).toBe('refused')
    clock.advance(10_000)
    await spend(GLOBEX, BURST)
    expect(await ask(GLOBEX, token)).toBe('refused')
    expect(await ask(ACME, token)).toBe('known')
  })

  test('costs nothing after its own tenant asked, also when that had it read anew', async () => {
    const { ask, spend } = open()
    const token = putKey()
    for (let turn = 0; turn < 2; turn++) {
      await ask(ACME, token)
      await settle()
      await spend(GLOBEX, BURST)
      expect([await ask(GLOBEX), await ask(GLOBEX, token)]).toEqual(['refused', 'known'])
      clock.advance(45_000)
    }
    expect(source.readCount).toBe(2 * BURST + 2)
  })

  /** Whoever may not see it cannot find out that it is there, whatever its own tenant and others do meanwhile. */
  test('is answered and refused when an unknown one is, in whatever pattern all ask', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('ACME', 'GLOBEX', 'INITECH') },
      { weight: 3, arbitrary: fc.constantFrom(20, 1_000, 5_000, 9_999, 10_000, 45_000) },
      { weight: 3, arbitrary: fc.constant('spend') },
      { weight: 1, arbitrary: fc.constantFrom('import', 'distrust', 'trust') },
    )
    /** Its own tenant asks with a budget that is never spent. */
    const payer = (name: string, turn: number): Verifier =>
      name === 'ACME' ? { id: `acme ${turn}`, tenantId: TENANT_ACME } : name === 'GLOBEX' ? GLOBEX : INITECH

    async function run(steps: readonly (string | number)[], token: string): Promise<unknown[]> {
      const { ask, spend, cache } = open(source, { ratePerSecond: 1, burst: 2 })
      const heard: unknown[] = []
      for (const [turn, what] of steps.entries()) {
        if (typeof what === 'number') clock.advance(what)
        else if (what === 'spend') await Promise.all([spend(GLOBEX, 3), spend(INITECH, 3)])
        else if (what === 'import') cache.evictUnknown()
        else if (what === 'distrust') cache.distrust()
        else if (what === 'trust') cache.trust()
        else {
          const answer = await ask(payer(what, turn), token)
          if (what !== 'ACME') heard.push(answer === 'refused' ? 'refused' : 'not found')
        }
        await settle()
      }
      return heard
    }

    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const foreign = await run(steps, putKey())
        expect(foreign).toEqual(await run(steps, newToken()))
      }),
      { numRuns: 500 },
    )
  })
})

describe('failures', () => {
  test('a look-up that fails is paid for', async () => {
    const { ask, spend } = open()
    source.isDown = true
    await spend(ACME, BURST)
    expect(await ask(ACME)).toBe('refused')
  })

  test('after them, fair traffic is served at once by what little comes in', async () => {
    const { ask, spend } = open()
    source.isDown = true
    await spend(ACME, BURST)
    source.isDown = false
    clock.advance(1000 / RATE)
    for (let key = 0; key < 1_000; key++) expect(await ask(ACME, putKey())).toBe('known')
  })

  test('a clock that is set back by a year stops no budget from filling', async () => {
    const { ask, spend } = open()
    await spend(ACME, BURST)
    clock.advance(-365 * 86_400_000)
    expect(await ask(ACME)).toBe('refused')
    clock.advance(1000 / RATE)
    expect(await ask(ACME)).toBe('unknown')
  })

  test('the time to wait is a whole number of seconds, at least one', async () => {
    const budget = createUnknownLookupBudget({
      cache: UNKNOWN_TO_ALL,
      ratePerSecond: 0.1,
      burst: 1,
    })
    await budget.lookUp(hashToken('a'), 0, ACME)
    let thrown: unknown
    try {
      budget.lookUp(hashToken('b'), 2_500, ACME)
    } catch (error) {
      thrown = error
    }
    expect((thrown as KeywardError).retryAfterSeconds).toBe(8)
  })
})

test('accounts of verifiers are bounded', async () => {
  const budget = createUnknownLookupBudget({ cache: UNKNOWN_TO_ALL, burst: 1, verifiersMax: 10 })
  for (let verifier = 0; verifier < 1_000; verifier++) {
    await budget.lookUp(hashToken('x'), 0, { id: `${verifier}`, tenantId: null })
  }
  // What was forgotten begins anew: the bound costs exactness, never memory.
  await expect(budget.lookUp(hashToken('y'), 0, { id: '0', tenantId: null })).resolves.toBeDefined()
})
